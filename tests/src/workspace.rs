//! Where the checkout keeps what a test needs, with advice when `make` has not put it there yet.

use std::path::{Path, PathBuf};

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The committed default bundle.
#[must_use]
pub fn default_bundle() -> PathBuf {
    bundle("default")
}

/// A committed bundle by its folder below `models/`, or any bundle by its path.
#[must_use]
pub fn bundle(name: &str) -> PathBuf {
    let committed = root().join("models").join(name);
    let folder = if committed.is_dir() { committed } else { root().join(name) };
    existing(folder, "git checkout models")
}

/// The ONNX Runtime library: `GLIMPSE_ORT_LIBRARY`, or what `make onnxruntime` fetched.
#[must_use]
pub fn ort_library() -> PathBuf {
    if let Some(path) = std::env::var_os("GLIMPSE_ORT_LIBRARY") {
        return existing(path.into(), "unset GLIMPSE_ORT_LIBRARY");
    }
    let folder = root().join("target/onnxruntime").join(std::env::consts::ARCH);
    existing(folder.join("libonnxruntime.so"), "make onnxruntime")
}

/// `OpenVINO` as an execution provider, where `make openvino` has fetched it; there is none for ARM. The
/// plugin itself offers nothing on processors of other vendors than Intel: there it is passed on by an
/// example of the tests.
#[must_use]
pub fn openvino() -> Option<PathBuf> {
    let folder = root().join("target/openvino").join(std::env::consts::ARCH);
    let library = folder.join("lib/libonnxruntime_providers_openvino_plugin.so");
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let intel = processor.contains("GenuineIntel");
    let usable = |library| if intel { library } else { example_library("openvino_on_any_vendor") };
    library.is_file().then(|| usable(library))
}

/// A library that is an example of the tests, of the profile that the caller was built with.
#[must_use]
pub fn example_library(name: &str) -> PathBuf {
    beside_caller(&format!("examples/lib{name}.so"), "cargo build --workspace --examples")
}

/// AWS's runtime interface emulator.
#[must_use]
pub fn emulator() -> PathBuf {
    existing(root().join("target/tools/aws-lambda-rie"), "make emulator")
}

/// A freely licensed picture by its file name, such as `chelsea.png`.
#[must_use]
pub fn picture(name: &str) -> PathBuf {
    existing(root().join("target/pictures").join(name), "make pictures")
}

/// The function's binary as cargo built it; `profile` is `debug` or `release`.
#[must_use]
pub fn bootstrap(profile: &str) -> PathBuf {
    existing(
        root().join("target").join(profile).join("bootstrap"),
        "cargo build -p glimpse-http-api",
    )
}

/// The HTTP function's binary, of the profile that the caller was built with.
#[must_use]
pub fn this_profiles_bootstrap() -> PathBuf {
    beside_caller("bootstrap", "cargo build -p glimpse-http-api")
}

/// The binary of the function behind S3, of the profile that the caller was built with.
#[must_use]
pub fn s3_events() -> PathBuf {
    beside_caller("s3-events", "cargo build -p glimpse-s3-events")
}

/// The edge's binary, of the profile that the caller was built with.
#[must_use]
pub fn glimpse() -> PathBuf {
    beside_caller("glimpse", "cargo build -p glimpse-edge")
}

/// A binary in `target/<profile>`, where the caller lies in it or in one of its folders.
fn beside_caller(name: &str, remedy: &str) -> PathBuf {
    let caller = std::env::current_exe().unwrap_or_default();
    let beside = caller.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let built = beside.into_iter().find(|path| path.is_file());
    existing(built.unwrap_or_else(|| name.into()), remedy)
}

fn existing(path: PathBuf, remedy: &str) -> PathBuf {
    assert!(path.exists(), "{} is not there yet; run `{remedy}`", path.display());
    path
}
