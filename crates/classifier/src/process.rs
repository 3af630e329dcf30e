//! Settings of a process whose work is a session, made before its first thread; the one module with
//! `unsafe`.
//!
//! **Telemetry.** The official ONNX Runtime builds since 1.29 keep a device id in the user's cache and
//! send events about models and machine to Microsoft; only `ORT_DISABLE_TELEMETRY`, read when the
//! environment is created, keeps them from starting that (`with_telemetry(false)` comes too late).
//!
//! **The C allocator.** Creating a session and running it allocate and free many small megabytes. By
//! default glibc grows and trims its heaps in steps of 128 KiB, each under a lock of the address
//! space that the thread which opens ONNX Runtime waits for, and the kernel clears the same pages
//! again and again. A process for one request at a time goes further: all its threads share one
//! heap that begins with huge pages, on which a fault clears 2 MiB instead of 4 KiB and the
//! processor finds weights with fewer address lookups. A session's weights and activations get there
//! only if ONNX Runtime takes them from this heap, not from an arena of its own, and if the heap
//! gives room to all of them. `make bench-lambda` measures what this wins.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

/// Larger blocks (the model file, a decoded picture) are mapped alone and given back when freed.
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
/// In the one heap, the blocks of a run stay as well: mapped alone, each would be cleared each time.
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

static ONE_HEAP: AtomicBool = AtomicBool::new(false);

/// Keep freed memory for the next picture instead of giving it back to the kernel, and keep ONNX
/// Runtime from sending telemetry.
///
/// Call it first thing in `main`, before there is a second thread, in a process that classifies all
/// its life; with a second thread, the environment stays as it is. Memory is kept where the C library
/// is glibc. Source of the settings: mallopt(3).
pub fn prepare_process() {
    if is_alone() {
        // SAFETY: there is one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, locks the allocator itself, and refuses what it can't use.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        libc::mallopt(libc::M_TOP_PAD, TOP_PAD);
    }
}

/// Whether this thread is the process's only one, as far as the system tells.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.take(2).count() == 1)
}

/// One heap for all threads, with huge pages where the kernel gives them on request (`madvise`).
///
/// For a process that serves one request at a time, right after [`prepare_process`] and before there
/// is a session; where many threads decode pictures, they would wait for one another's allocations.
/// Does nothing where the C library is not glibc. Sources: mallopt(3), madvise(2).
pub fn use_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the range lies between two ends of the heap that the C library itself has set, with no
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
        ONE_HEAP.store(true, Ordering::Relaxed);
    }
}

/// Whether sessions should take their memory from the process's heap.
pub(crate) fn has_one_heap() -> bool {
    ONE_HEAP.load(Ordering::Relaxed)
}
