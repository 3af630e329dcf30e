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

/// Times that a thread repeats a block of instructions.
const TURNS: u64 = 1 << 24;
/// The best one counts: the others were disturbed.
const TRIES: usize = 5;

/// An instruction that multiplies and adds, in a block with more independent sums than its latency times
/// its throughput.
#[derive(Clone, Copy)]
struct Instruction {
    name: &'static str,
    /// Multiplications of a block.
    of_block: u64,
    /// Repeats the block [`TURNS`] times; only where the processor has the instruction.
    run: unsafe fn(),
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => thread::available_parallelism().map_or(1, NonZero::get),
    };
    let known = fastest();
    let rates = |one: Instruction| (0..TRIES).filter_map(move |_| rate(one, threads));
    let best = known.and_then(|one| rates(one).reduce(f64::max));
    let instruction = known.map(|one| one.name);
    println!("{}", json!({ "instruction": instruction, "threads": threads, "rate": best }));
    Ok(())
}

/// Multiplications a second of all threads together.
fn rate(instruction: Instruction, threads: usize) -> Option<f64> {
    let begin = Barrier::new(threads);
    let seconds = thread::scope(|scope| {
        let work = || {
            begin.wait();
            let started = Instant::now();
            // SAFETY: `fastest` gives what the processor has.
            unsafe { (instruction.run)() };
            started.elapsed().as_secs_f64()
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|one| one.join().ok());
        ended.collect::<Option<Vec<_>>>()
    })?;
    let longest = seconds.into_iter().reduce(f64::max)?;
    Some((TURNS * instruction.of_block) as f64 * threads as f64 / longest)
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn fastest() -> Option<Instruction> {
    None
}

/// The one with the most multiplications that the processor has.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn fastest() -> Option<Instruction> {
    // Six sums of 16 × 16, each of rows of 64 bytes.
    let amx = Instruction { name: "AMX", of_block: 6 * 16 * 16 * 64, run: amx };
    let vnni = Instruction { name: "AVX-512 VNNI", of_block: 16 * 64, run: vnni };
    if tiles_are_allowed() {
        return Some(amx);
    }
    is_x86_feature_detected!("avx512vnni").then_some(vnni)
}

/// Whether the processor multiplies tiles of bytes, and the kernel lets this process do it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tiles_are_allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const TILE_DATA: libc::c_ulong = 18;
    let (leaves, features) = (std::arch::x86_64::__cpuid(0).eax, 7);
    if leaves < features {
        return false;
    }
    let found = std::arch::x86_64::__cpuid_count(features, 0).edx;
    let (tiles, bytes) = (1 << 24, 1 << 25);
    // SAFETY: the call takes two numbers, and refuses what it does not know.
    let asked = || unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) };
    found & tiles != 0 && found & bytes != 0 && asked() == 0
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
unsafe fn amx() {
    // Palette 1: eight tiles of 16 rows, of 64 bytes each.
    let mut shape = [0_u8; 64];
    shape[0] = 1;
    for tile in 0..8 {
        shape[16 + 2 * tile] = 64;
        shape[48 + tile] = 16;
    }
    // SAFETY: it changes the registers that it names and reads `shape` alone.
    unsafe {
        std::arch::asm!(
            "ldtilecfg [{shape}]",
            "tilezero tmm6",
            "tilezero tmm7",
            "2:",
            "tdpbusd tmm0, tmm6, tmm7",
            "tdpbusd tmm1, tmm6, tmm7",
            "tdpbusd tmm2, tmm6, tmm7",
            "tdpbusd tmm3, tmm6, tmm7",
            "tdpbusd tmm4, tmm6, tmm7",
            "tdpbusd tmm5, tmm6, tmm7",
            "dec {turns}",
            "jnz 2b",
            "tilerelease",
            shape = in(reg) shape.as_ptr(),
            turns = inout(reg) TURNS => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(readonly, nostack),
        );
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[target_feature(enable = "avx512f")]
unsafe fn vnni() {
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
