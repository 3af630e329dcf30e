//! What the processor itself can do: multiplications of uint8 and int8 a second, each with its addition,
//! in a loop that reads no memory, on as many threads as asked for.
//!
//!     peak [THREADS]
//!
//! Prints a JSON object; without such an instruction that is known here, its fields are null. Written in
//! assembly, so that a debug build is as fast. It holds nothing else, because it is `unsafe`.
#![allow(unsafe_code)]

use std::error::Error;
use std::num::NonZero;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use serde_json::json;

/// Independent sums: more than the instruction's latency times its throughput.
const SUMS: u64 = 16;
/// Multiplications of one instruction on 512 bits.
const OF_ONE: u64 = 64;
const TURNS: u64 = 1 << 24;
/// Of which the best counts: the others were disturbed.
const TRIES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let threads = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => thread::available_parallelism().map_or(1, NonZero::get),
    };
    let best = (0..TRIES).filter_map(|_| multiplications_a_second(threads)).reduce(f64::max);
    let instruction = best.map(|_| "AVX-512 VNNI");
    println!("{}", json!({ "instruction": instruction, "threads": threads, "rate": best }));
    Ok(())
}

/// Of all threads together.
fn multiplications_a_second(threads: usize) -> Option<f64> {
    let begin = Barrier::new(threads);
    let seconds = thread::scope(|scope| {
        let work = || {
            begin.wait();
            let started = Instant::now();
            multiply().then(|| started.elapsed().as_secs_f64())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|one| one.join().ok().flatten());
        ended.collect::<Option<Vec<_>>>()
    })?;
    let longest = seconds.into_iter().reduce(f64::max)?;
    Some((TURNS * SUMS * OF_ONE) as f64 * threads as f64 / longest)
}

/// False where the processor has no such instruction.
#[cfg(target_arch = "x86_64")]
fn multiply() -> bool {
    if !is_x86_feature_detected!("avx512vnni") {
        return false;
    }
    // SAFETY: the processor has the instruction.
    unsafe { vnni() };
    true
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn vnni() {
    // SAFETY: it changes the registers that it names and reads no memory.
    unsafe {
        std::arch::asm!(
            "2:",
            "vpdpbusd zmm0, zmm16, zmm17",
            "vpdpbusd zmm1, zmm16, zmm17",
            "vpdpbusd zmm2, zmm16, zmm17",
            "vpdpbusd zmm3, zmm16, zmm17",
            "vpdpbusd zmm4, zmm16, zmm17",
            "vpdpbusd zmm5, zmm16, zmm17",
            "vpdpbusd zmm6, zmm16, zmm17",
            "vpdpbusd zmm7, zmm16, zmm17",
            "vpdpbusd zmm8, zmm16, zmm17",
            "vpdpbusd zmm9, zmm16, zmm17",
            "vpdpbusd zmm10, zmm16, zmm17",
            "vpdpbusd zmm11, zmm16, zmm17",
            "vpdpbusd zmm12, zmm16, zmm17",
            "vpdpbusd zmm13, zmm16, zmm17",
            "vpdpbusd zmm14, zmm16, zmm17",
            "vpdpbusd zmm15, zmm16, zmm17",
            "dec {turns}",
            "jnz 2b",
            turns = inout(reg) TURNS => _,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
            out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
            out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
            options(nomem, nostack),
        );
    }
}
