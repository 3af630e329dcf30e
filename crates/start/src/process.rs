//! Settings of a process, made before its first thread. Only this module of the crate is `unsafe`.
//!
//! **Empty variables.** An empty variable counts as unset everywhere. A parser of command lines sees
//! it as a value, so empty `GLIMPSE_` variables are removed from the environment.
//!
//! **Telemetry.** The official ONNX Runtime builds since 1.29 keep a device id in the user's cache and
//! send events about models and machine to Microsoft; only `ORT_DISABLE_TELEMETRY`, read when the
//! environment is created, keeps them from starting that (`with_telemetry(false)` comes too late).
//!
//! **The C allocator.** Creating a session and running it allocate and free many small megabytes. By
//! default glibc grows and trims its heaps in steps of 128 KiB. Each step takes the kernel's lock of the
//! process's memory map, which blocks the thread that loads ONNX Runtime, and the kernel clears the
//! same pages again and again. A process for one request at a time goes further: all its threads share
//! one heap, and while the model is loaded all blocks come from it, so that the model's own bytes, once
//! they are read, become room for its weights. That needs ONNX Runtime to take its memory from this heap,
//! not from an arena of its own. From then on ([`return_large_blocks`]) large blocks are mapped apart and
//! returned: what decoding a large picture took would otherwise stay for good.
//!
//! Huge pages are not asked for. They won a tenth of a cold start where the memory had belonged to
//! another process a moment before. Where it had not, as in a machine that has just begun, its host has
//! to find 2 MiB for each, and a cold start took twice as long.
#![allow(unsafe_code)]

use std::ffi::OsString;

/// Larger blocks (the model file, a decoded picture) are mapped separately and returned when freed.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: libc::c_int = 1 << 20;
/// What is free at a heap's end stays there up to this size.
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: libc::c_int = 64 << 20;
/// Heaps grow in few large steps; what is not touched costs no memory.
#[cfg(target_env = "gnu")]
const TOP_PAD: libc::c_int = 8 << 20;
/// The one heap grows by what an int8 `ResNet50` needs while it is loaded.
#[cfg(target_env = "gnu")]
const ONE_HEAP_TOP_PAD: libc::c_int = 64 << 20;
/// The bytes of most int8 models are in the one heap while they are read.
#[cfg(target_env = "gnu")]
const ONE_HEAP_MMAP_THRESHOLD: libc::c_int = 32 << 20;
/// More than is free at any time of a load.
#[cfg(target_env = "gnu")]
const ONE_HEAP_TRIM_THRESHOLD: libc::c_int = 128 << 20;
/// More than a block of a run: mapped apart, each would be cleared each time.
#[cfg(target_env = "gnu")]
const SERVING_MMAP_THRESHOLD: libc::c_int = 8 << 20;
/// What a run needs again stays.
#[cfg(target_env = "gnu")]
const SERVING_TRIM_THRESHOLD: libc::c_int = 16 << 20;
#[cfg(target_env = "gnu")]
const SERVING_TOP_PAD: libc::c_int = 2 << 20;

/// Keep freed memory for the next picture instead of giving it back to the kernel, keep ONNX Runtime
/// from sending telemetry, and remove empty `GLIMPSE_` variables.
///
/// Call it first thing in `main`, in a process that classifies all its life. Where there is a second
/// thread already, the environment stays as it is. Memory is kept where the C library
/// is glibc. Source of the settings: mallopt(3).
pub fn prepare() {
    if is_alone() {
        let empty = std::env::vars_os().filter(|(_, value)| value.is_empty()).map(|(name, _)| name);
        let is_ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"GLIMPSE_");
        let empty: Vec<OsString> = empty.filter(is_ours).collect();
        // SAFETY: there is one thread, so nobody reads the environment meanwhile.
        unsafe {
            empty.iter().for_each(|name| std::env::remove_var(name));
            std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
        }
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, locks the allocator itself, and refuses what it can't use.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, TOP_PAD);
    }
}

/// Give the memory that the C library keeps for later back to the kernel: what a burst of requests
/// took would never return, because blocks that live on keep their heaps from shrinking. Takes some
/// milliseconds. Source: `malloc_trim(3)`.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, locks the allocator itself, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Whether this thread is the process's only one, as far as the system reports.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.take(2).count() == 1)
}

/// Let all threads share one heap. Returns whether it was done: only where the C library is glibc.
///
/// For a process that serves one request at a time, right after [`prepare`] and before there is a
/// session; sessions should then have no arena of their own, and once there is one,
/// [`return_large_blocks`] is due. Where many threads decode pictures, they would wait for one another's
/// allocations. Source: mallopt(3).
#[must_use]
pub fn share_one_heap() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: as in `prepare`.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ONE_HEAP_MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, ONE_HEAP_TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, ONE_HEAP_TOP_PAD);
    }
    cfg!(target_env = "gnu")
}

/// From here on, return large blocks of the one heap to the kernel when they are freed: the model is
/// loaded, and what comes now are pictures.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: as in `prepare`.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, SERVING_MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SERVING_TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, SERVING_TOP_PAD);
    }
}
