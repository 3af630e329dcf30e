//! The version of the ONNX Runtime library, which `ort` does not give. Only this module and the
//! bindings of decoders call into C.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::path::Path;

use ort::sys::OrtApiBase;

/// The version of the library that `ort` has opened at `path`, such as `1.32.0`; nothing where it does
/// not say it.
pub(crate) fn of(path: &Path) -> Option<String> {
    // SAFETY: the library is open already, so this runs no code of it and gives the same handle; it
    // stays open when this one is dropped.
    let library = unsafe { libloading::Library::new(path) }.ok()?;
    // SAFETY: the function has this type in every version (onnxruntime_c_api.h), and is called while
    // the library is open.
    let base = unsafe {
        let symbol =
            library.get::<unsafe extern "system" fn() -> *const OrtApiBase>(b"OrtGetApiBase");
        symbol.ok()?().as_ref()?
    };
    // SAFETY: it gives a static string that ends with a zero byte.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    version.to_str().ok().map(str::to_owned)
}
