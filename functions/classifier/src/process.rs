//! Settings of a process whose work is a session, made before its first thread; the one module with
//! `unsafe`.
//!
//! **Telemetry.** The official ONNX Runtime builds since 1.29 keep a device id in the user's cache and
//! send events about models and machine to Microsoft; only `ORT_DISABLE_TELEMETRY`, read when the
//! environment is created, keeps them from starting that (`with_telemetry(false)` comes too late).
//!
//! **The C allocator.** Creating a session and running it allocate and free many small megabytes. By default glibc grows
//! and trims its heaps in steps of 128 KiB, each under a lock of the address space that the thread
//! which opens ONNX Runtime waits for, and the kernel clears the same pages again and again.
//! `make bench-lambda` measures what this wins; larger values win no more and cost memory.
#![allow(unsafe_code)]

/// Larger blocks (the model file, a decoded picture) are mapped alone and given back when freed.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: libc::c_int = 1 << 20;
/// What is free at a heap's end stays there up to this size.
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: libc::c_int = 64 << 20;
/// Heaps grow in few large steps; what is not touched costs no memory.
#[cfg(target_env = "gnu")]
const TOP_PAD: libc::c_int = 8 << 20;

/// Keep freed memory for the next picture instead of giving it back to the kernel, and keep ONNX
/// Runtime from sending telemetry.
///
/// Call it first thing in `main`, before there is a second thread, in a process that classifies all
/// its life. Memory is kept where the C library is glibc. Source of the settings: mallopt(3).
pub fn prepare_process() {
    // SAFETY: there is one thread yet, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, locks the allocator itself, and refuses what it can't use.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, TOP_PAD);
    }
}
