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
//! same pages again and again. A process for one request at a time goes further: all its threads share one
//! heap that begins with huge pages, on which a fault clears 2 MiB instead of 4 KiB and the
//! processor finds weights with fewer address lookups. A session's weights and activations get there
//! only if ONNX Runtime takes them from this heap, not from an arena of its own, and if the heap
//! gives room to all of them. `make bench-lambda` measures what this wins.
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
/// How much of the one heap is of huge pages: what an int8 `ResNet50` needs while it is loaded.
#[cfg(target_env = "gnu")]
const HUGE_BYTES: libc::c_int = 64 << 20;
/// In the one heap, the blocks of a run stay too: mapped separately, each would be cleared each time.
#[cfg(target_env = "gnu")]
const ONE_HEAP_MMAP_THRESHOLD: libc::c_int = 32 << 20;
/// More than is free at any time, or the huge pages would be given back.
#[cfg(target_env = "gnu")]
const ONE_HEAP_TRIM_THRESHOLD: libc::c_int = 128 << 20;
/// Behind huge pages, a step that is not needed would be felt in the peak.
#[cfg(target_env = "gnu")]
const ONE_HEAP_TOP_PAD: libc::c_int = 2 << 20;
#[cfg(target_env = "gnu")]
const HUGE_PAGE: usize = 2 << 20;
/// More than the heap has left when `main` begins, so that it grows.
#[cfg(target_env = "gnu")]
const GROWING: usize = 512 << 10;

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

/// Let all threads share one heap, with huge pages where the kernel gives them on request
/// (`madvise`). Returns whether it was done: only where the C library is glibc.
///
/// For a process that serves one request at a time, right after [`prepare`] and before there is a
/// session; sessions should then have no arena of their own. Where many threads decode pictures, they
/// would wait for one another's allocations. Sources: mallopt(3), madvise(2).
#[must_use]
pub fn share_one_heap() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: the range is between two ends of the heap that the C library itself has set, with no
    // second thread to move them, and the advice changes no content.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ONE_HEAP_MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, ONE_HEAP_TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, HUGE_BYTES);
        let start = libc::sbrk(0) as usize;
        let growing = std::hint::black_box(libc::malloc(GROWING));
        let end = libc::sbrk(0) as usize;
        libc::free(growing);
        let start = start.next_multiple_of(HUGE_PAGE);
        if let Some(bytes) = end.checked_sub(start) {
            libc::madvise(start as *mut libc::c_void, bytes, libc::MADV_HUGEPAGE);
        }
        libc::mallopt(libc::M_TOP_PAD, ONE_HEAP_TOP_PAD);
    }
    cfg!(target_env = "gnu")
}
