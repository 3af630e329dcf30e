//! `OpenVINO` as an execution provider on processors of every vendor, for tests.
//!
//! The plugin offers devices of Intel alone, although the library behind it runs on other x86-64
//! processors as well. This passes it on, and says of every device that it is Intel's.
#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc, clippy::expect_used)]

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use libloading::Library;
use ort::sys::{OrtApi, OrtApiBase, OrtHardwareDevice, OrtStatusPtr};

const INTEL: u32 = 0x8086;
const PLUGIN: &str = "../target/openvino/x86_64/lib/libonnxruntime_providers_openvino_plugin.so";
/// Functions of the interface that are passed on: those that the plugin uses are among them.
const FUNCTIONS: usize = 440;

type Create = unsafe extern "C" fn(
    *const c_char,
    *const OrtApiBase,
    *const c_void,
    *mut *mut c_void,
    usize,
    *mut usize,
) -> OrtStatusPtr;
type Release = unsafe extern "C" fn(*mut c_void) -> OrtStatusPtr;

static REAL: AtomicPtr<OrtApiBase> = AtomicPtr::new(ptr::null_mut());
static API: OnceLock<[usize; FUNCTIONS]> = OnceLock::new();

fn library() -> &'static Library {
    static OPENED: OnceLock<Library> = OnceLock::new();
    OPENED.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLUGIN);
        unsafe { Library::new(path) }.expect("make openvino")
    })
}

unsafe extern "system" fn api(version: u32) -> *const OrtApi {
    let real = unsafe { ((*REAL.load(Ordering::Relaxed)).GetApi)(version) };
    if real.is_null() {
        return real;
    }
    let table = API.get_or_init(|| {
        let mut table = unsafe { *real.cast::<[usize; FUNCTIONS]>() };
        table[offset_of!(OrtApi, HardwareDevice_VendorId) / 8] = vendor_id as *const () as usize;
        table[offset_of!(OrtApi, HardwareDevice_Vendor) / 8] = vendor as *const () as usize;
        table
    });
    table.as_ptr().cast()
}

unsafe extern "system" fn version() -> *const c_char {
    unsafe { ((*REAL.load(Ordering::Relaxed)).GetVersionString)() }
}

unsafe extern "system" fn vendor_id(_device: *const OrtHardwareDevice) -> u32 {
    INTEL
}

unsafe extern "system" fn vendor(_device: *const OrtHardwareDevice) -> *const c_char {
    c"Intel".as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn CreateEpFactories(
    name: *const c_char,
    base: *const OrtApiBase,
    logger: *const c_void,
    factories: *mut *mut c_void,
    room: usize,
    count: *mut usize,
) -> OrtStatusPtr {
    static BASE: OrtApiBase = OrtApiBase { GetApi: api, GetVersionString: version };
    REAL.store(base.cast_mut(), Ordering::Relaxed);
    let create = unsafe { library().get::<Create>(b"CreateEpFactories") }.expect("a provider");
    unsafe { create(name, &raw const BASE, logger, factories, room, count) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReleaseEpFactory(factory: *mut c_void) -> OrtStatusPtr {
    let release = unsafe { library().get::<Release>(b"ReleaseEpFactory") }.expect("a provider");
    unsafe { release(factory) }
}
