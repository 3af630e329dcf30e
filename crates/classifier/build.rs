//! Compiles the C part of the JPEG decoder against the libjpeg-turbo that `turbojpeg-sys` builds.

use std::path::{Path, PathBuf};
use std::{env, fs};

const FOLDER: &str = "src/decode/jpeg";

fn main() {
    for name in ["shim.c", "shim.h"] {
        println!("cargo::rerun-if-changed={FOLDER}/{name}");
    }
    let include = env::var("DEP_TURBOJPEG_INCLUDE").map(PathBuf::from);
    let Ok(include) = include else {
        println!("cargo::error=turbojpeg-sys did not say where the headers of libjpeg-turbo are");
        return;
    };
    warn_without_simd(&include);
    cc::Build::new()
        .file(format!("{FOLDER}/shim.c"))
        .include(include)
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("glimpse_jpeg");
}

/// libjpeg-turbo leaves its SIMD code out where it finds no NASM, and cargo hides that it says so.
fn warn_without_simd(include: &Path) {
    let config = fs::read_to_string(include.join("jconfig.h")).unwrap_or_default();
    let has_simd = config.lines().any(|line| line.trim() == "#define WITH_SIMD 1");
    if !has_simd {
        println!(
            "cargo::warning=JPEG decoding is built without SIMD and takes about three times as \
             long; install NASM (apt-get install nasm), then cargo clean -p turbojpeg-sys"
        );
    }
}
