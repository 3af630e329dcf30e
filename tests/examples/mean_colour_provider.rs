//! A minimal execution provider in ONNX Runtime's plugin form, for tests. It takes any graph and gives
//! the mean red, green and blue of each picture as the first output, whatever the graph says.
//!
//! The structures are the beginnings of those in `onnxruntime_ep_c_api.h` as of version 1.23, which is
//! the version that they claim.
#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc)]

use std::env;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;
use std::time::Duration;

use ort::sys::{
    OrtApi, OrtApiBase, OrtEpDevice, OrtGraph, OrtHardwareDevice, OrtHardwareDeviceType,
    OrtKernelContext, OrtLogger, OrtNode, OrtStatusPtr,
};

const VERSION: u32 = 23;
const OK: OrtStatusPtr = OrtStatusPtr(ptr::null_mut());
type Absent = Option<unsafe extern "C" fn()>;

/// `OrtEpFactory`
#[repr(C)]
pub struct Factory {
    version: u32,
    name: unsafe extern "C" fn(*const Factory) -> *const c_char,
    vendor: unsafe extern "C" fn(*const Factory) -> *const c_char,
    supported_devices: unsafe extern "C" fn(
        *mut Factory,
        *const *const OrtHardwareDevice,
        usize,
        *mut *mut OrtEpDevice,
        usize,
        *mut usize,
    ) -> OrtStatusPtr,
    create: unsafe extern "C" fn(
        *mut Factory,
        *const *const OrtHardwareDevice,
        *const *const c_void,
        usize,
        *const c_void,
        *const OrtLogger,
        *mut *const Provider,
    ) -> OrtStatusPtr,
    release: unsafe extern "C" fn(*mut Factory, *mut Provider),
    vendor_id: unsafe extern "C" fn(*const Factory) -> u32,
    provider_version: unsafe extern "C" fn(*const Factory) -> *const c_char,
    validate: Absent,
    create_allocator: unsafe extern "C" fn(
        *mut Factory,
        *const c_void,
        *const c_void,
        *mut *mut c_void,
    ) -> OrtStatusPtr,
    release_allocator: unsafe extern "C" fn(*mut Factory, *mut c_void),
    create_transfer: unsafe extern "C" fn(*mut Factory, *mut *mut c_void) -> OrtStatusPtr,
    is_stream_aware: unsafe extern "C" fn(*const Factory) -> bool,
    create_stream: Absent,
    unused: [Absent; 16],
}

/// `OrtEp`
#[repr(C)]
pub struct Provider {
    version: u32,
    name: unsafe extern "C" fn(*const Provider) -> *const c_char,
    capability: unsafe extern "C" fn(*mut Provider, *const OrtGraph, *mut c_void) -> OrtStatusPtr,
    compile: unsafe extern "C" fn(
        *mut Provider,
        *const *const OrtGraph,
        *const *const OrtNode,
        usize,
        *mut *const Computation,
        *mut *mut OrtNode,
    ) -> OrtStatusPtr,
    release_computations: unsafe extern "C" fn(*mut Provider, *mut *mut Computation, usize),
    unused: [Absent; 24],
}

/// `OrtNodeComputeInfo`
#[repr(C)]
pub struct Computation {
    version: u32,
    create_state:
        unsafe extern "C" fn(*mut Computation, *mut c_void, *mut *mut c_void) -> OrtStatusPtr,
    compute:
        unsafe extern "C" fn(*mut Computation, *mut c_void, *mut OrtKernelContext) -> OrtStatusPtr,
    release_state: unsafe extern "C" fn(*mut Computation, *mut c_void),
}

/// The first functions of `OrtEpApi`.
#[repr(C)]
struct ProviderApi {
    create_device: unsafe extern "C" fn(
        *mut Factory,
        *const OrtHardwareDevice,
        *const c_void,
        *const c_void,
        *mut *mut OrtEpDevice,
    ) -> OrtStatusPtr,
    release_device: unsafe extern "C" fn(*mut OrtEpDevice),
    add_nodes: unsafe extern "C" fn(
        *mut c_void,
        *const *const OrtNode,
        usize,
        *const c_void,
    ) -> OrtStatusPtr,
}

static API: AtomicPtr<OrtApi> = AtomicPtr::new(ptr::null_mut());

static FACTORY: Factory = Factory {
    version: VERSION,
    name: factory_name,
    vendor: factory_name,
    supported_devices,
    create,
    release: release_provider,
    vendor_id,
    provider_version: factory_version,
    validate: None,
    create_allocator,
    release_allocator,
    create_transfer,
    is_stream_aware,
    create_stream: None,
    unused: [None; 16],
};

static PROVIDER: Provider = Provider {
    version: VERSION,
    name: provider_name,
    capability,
    compile,
    release_computations,
    unused: [None; 24],
};

static COMPUTATION: Computation =
    Computation { version: VERSION, create_state, compute, release_state };

/// What ONNX Runtime calls when the library is registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CreateEpFactories(
    _name: *const c_char,
    base: *const OrtApiBase,
    _logger: *const OrtLogger,
    factories: *mut *const Factory,
    _room: usize,
    count: *mut usize,
) -> OrtStatusPtr {
    unsafe {
        API.store(((*base).GetApi)(ort::sys::ORT_API_VERSION).cast_mut(), Ordering::Relaxed);
        *factories = &raw const FACTORY;
        *count = 1;
    }
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReleaseEpFactory(_factory: *mut Factory) -> OrtStatusPtr {
    OK
}

/// The interface has not failed.
fn done(status: OrtStatusPtr) {
    assert!(status.0.is_null());
}

unsafe fn api() -> &'static OrtApi {
    unsafe { &*API.load(Ordering::Relaxed) }
}

unsafe fn provider_api() -> &'static ProviderApi {
    unsafe { &*(api().GetEpApi)().cast() }
}

unsafe extern "C" fn factory_name(_factory: *const Factory) -> *const c_char {
    c"MeanColourExecutionProvider".as_ptr()
}

unsafe extern "C" fn factory_version(_factory: *const Factory) -> *const c_char {
    c"1.0.0".as_ptr()
}

unsafe extern "C" fn vendor_id(_factory: *const Factory) -> u32 {
    0
}

unsafe extern "C" fn supported_devices(
    factory: *mut Factory,
    devices: *const *const OrtHardwareDevice,
    count: usize,
    supported: *mut *mut OrtEpDevice,
    _room: usize,
    number: *mut usize,
) -> OrtStatusPtr {
    unsafe {
        *number = 0;
        for &device in slice::from_raw_parts(devices, count) {
            let kind = (api().HardwareDevice_Type)(device);
            if matches!(kind, OrtHardwareDeviceType::OrtHardwareDeviceType_CPU) {
                *number = 1;
                let create = provider_api().create_device;
                return create(factory, device, ptr::null(), ptr::null(), supported);
            }
        }
    }
    OK
}

unsafe extern "C" fn create(
    _factory: *mut Factory,
    _devices: *const *const OrtHardwareDevice,
    _metadata: *const *const c_void,
    _count: usize,
    _options: *const c_void,
    _logger: *const OrtLogger,
    provider: *mut *const Provider,
) -> OrtStatusPtr {
    unsafe { *provider = &raw const PROVIDER };
    OK
}

unsafe extern "C" fn release_provider(_factory: *mut Factory, _provider: *mut Provider) {}

unsafe extern "C" fn create_allocator(
    _factory: *mut Factory,
    _memory: *const c_void,
    _options: *const c_void,
    allocator: *mut *mut c_void,
) -> OrtStatusPtr {
    unsafe { *allocator = ptr::null_mut() };
    OK
}

unsafe extern "C" fn release_allocator(_factory: *mut Factory, _allocator: *mut c_void) {}

unsafe extern "C" fn create_transfer(
    _factory: *mut Factory,
    transfer: *mut *mut c_void,
) -> OrtStatusPtr {
    unsafe { *transfer = ptr::null_mut() };
    OK
}

unsafe extern "C" fn is_stream_aware(_factory: *const Factory) -> bool {
    false
}

unsafe extern "C" fn provider_name(_provider: *const Provider) -> *const c_char {
    c"MeanColourExecutionProvider".as_ptr()
}

unsafe extern "C" fn capability(
    _provider: *mut Provider,
    graph: *const OrtGraph,
    support: *mut c_void,
) -> OrtStatusPtr {
    unsafe {
        let mut count = 0;
        done((api().Graph_GetNumNodes)(graph, &raw mut count));
        let mut nodes: Vec<*const OrtNode> = vec![ptr::null(); count];
        done((api().Graph_GetNodes)(graph, nodes.as_mut_ptr(), count));
        if nodes.is_empty() {
            return OK;
        }
        (provider_api().add_nodes)(support, nodes.as_ptr(), count, ptr::null())
    }
}

unsafe extern "C" fn compile(
    _provider: *mut Provider,
    _graphs: *const *const OrtGraph,
    _fused: *const *const OrtNode,
    count: usize,
    computations: *mut *const Computation,
    _contexts: *mut *mut OrtNode,
) -> OrtStatusPtr {
    if let Some(pause) = env::var("COMPILES_FOR_MS").ok().and_then(|pause| pause.parse().ok()) {
        thread::sleep(Duration::from_millis(pause));
    }
    unsafe { slice::from_raw_parts_mut(computations, count) }.fill(&raw const COMPUTATION);
    OK
}

unsafe extern "C" fn release_computations(
    _provider: *mut Provider,
    _computations: *mut *mut Computation,
    _count: usize,
) {
}

unsafe extern "C" fn create_state(
    _computation: *mut Computation,
    _context: *mut c_void,
    state: *mut *mut c_void,
) -> OrtStatusPtr {
    unsafe { *state = ptr::null_mut() };
    OK
}

unsafe extern "C" fn release_state(_computation: *mut Computation, _state: *mut c_void) {}

unsafe extern "C" fn compute(
    _computation: *mut Computation,
    _state: *mut c_void,
    context: *mut OrtKernelContext,
) -> OrtStatusPtr {
    unsafe {
        let mut image = ptr::null();
        done((api().KernelContext_GetInput)(context, 0, &raw mut image));
        let mut shape = ptr::null_mut();
        done((api().GetTensorTypeAndShape)(image, &raw mut shape));
        let mut sides = [0_i64; 4];
        done((api().GetDimensions)(shape, sides.as_mut_ptr(), 4));
        (api().ReleaseTensorTypeAndShapeInfo)(shape);
        let [count, height, width, _] = sides.map(|side| usize::try_from(side).unwrap_or(0));
        let mut pixels = ptr::null_mut();
        done((api().GetTensorMutableData)(image.cast_mut(), &raw mut pixels));
        let pixels = slice::from_raw_parts(pixels.cast::<u8>(), count * height * width * 3);
        let mut output = ptr::null_mut();
        done((api().KernelContext_GetOutput)(
            context,
            0,
            [sides[0], 3].as_ptr(),
            2,
            &raw mut output,
        ));
        let mut logits = ptr::null_mut();
        done((api().GetTensorMutableData)(output, &raw mut logits));
        let logits = slice::from_raw_parts_mut(logits.cast::<f32>(), count * 3);
        for (logits, picture) in
            logits.chunks_exact_mut(3).zip(pixels.chunks_exact(height * width * 3))
        {
            for (channel, logit) in logits.iter_mut().enumerate() {
                let sum: u32 = picture.iter().skip(channel).step_by(3).map(|&v| u32::from(v)).sum();
                *logit = sum as f32 / (height * width) as f32;
            }
        }
    }
    OK
}
