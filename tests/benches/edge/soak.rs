//! `glimpse serve` under load: closed loop with 64 clients, then a steady rate below saturation.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glimpse_tests::edge::Running;
use glimpse_tests::workspace;

use super::load::{clients, request};
use super::{Failure, SMALL, jpeg, measured, verdict};

const CLIENTS: usize = 64;
/// Clients of the steady part: enough that none is late because another one's request waits.
const STEADY_CLIENTS: usize = 8;
/// The part of the highest rate that counts as below saturation.
const STEADY: f64 = 0.5;
/// Growth that is the allocator's, not a leak.
const FLAT: f64 = 1.1;

pub fn run(bundle: &Path, time: Duration) -> Result<(), Failure> {
    let whole = image::open(workspace::picture("chelsea.png"))?;
    let picture = Arc::new(request("", &jpeg(&whole, 0, SMALL)?));
    let mut command = measured(bundle);
    let (server, address) = Running::serve(command.env("GLIMPSE_LOG", "warn,glimpse=info"));
    // Until all threads and buffers are there.
    clients(address, &picture, CLIENTS, time / 6, None)?;
    let before = server.memory();
    let full = clients(address, &picture, CLIENTS, time, None)?;
    let after = server.memory();
    let rate = full.answers as f64 / time.as_secs_f64();
    let pause = Duration::from_secs_f64(STEADY_CLIENTS as f64 / (rate * STEADY));
    let steady = clients(address, &picture, STEADY_CLIENTS, time / 2, Some(pause))?;
    println!(
        "\nglimpse serve, {CLIENTS} clients for {time:?}, a JPEG of 160 x 120 in each request"
    );
    println!("  {:44} {rate:.1} requests a second", "answered");
    println!("  {:44} {:.1} / {:.1} ms", "p50 / p99 at saturation", full.ms(0.5), full.ms(0.99));
    let errors = full.errors + steady.errors;
    verdict("errors", errors as f64, 0.0, errors == 0);
    let growth = after as f64 / before as f64;
    println!("  {:44} {:.1} / {:.1} MB", "memory before / after", mb(before), mb(after));
    verdict("memory after / before", growth, FLAT, growth <= FLAT);
    println!("  at {:.0} % of that rate, {} requests:", STEADY * 100.0, steady.answers);
    println!("  {:44} {:.1} / {:.1} ms", "p50 / p99", steady.ms(0.5), steady.ms(0.99));
    let spread = steady.ms(0.99) / steady.ms(0.5);
    verdict("p99 / p50 below saturation", spread, 3.0, spread <= 3.0);
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
