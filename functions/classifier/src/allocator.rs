//! The C allocator's settings for a process whose work is a session; the one module with `unsafe`.
//!
//! Creating a session and decoding pictures allocate and free many megabytes. By default glibc maps
//! each large block anew and gives it back when it is freed, so that the kernel clears the same
//! pages again and again, under a lock that the thread which opens ONNX Runtime wants too. Kept
//! memory is bounded by the peak that was needed anyway. `make bench-lambda` measures what it wins.
#![allow(unsafe_code)]

/// The largest threshold that every glibc accepts (`HEAP_MAX_SIZE / 2`).
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: libc::c_int = 32 << 20;
/// Never given back while the process lives.
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: libc::c_int = 1 << 30;
/// Heaps grow in few large steps; what is not touched costs no memory.
#[cfg(target_env = "gnu")]
const TOP_PAD: libc::c_int = 64 << 20;

/// Keep freed memory for the next picture instead of giving it back to the kernel.
///
/// Call it first thing in `main`, in a process that classifies all its life. Where the C library is
/// not glibc it does nothing. Source of the settings: mallopt(3).
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, locks the allocator itself, and refuses what it can't use.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, TOP_PAD);
    }
}
