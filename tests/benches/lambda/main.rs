//! Cold start, warm latency and memory of the function under the runtime interface emulator,
//! against what cannot be avoided and against a Python handler; all in one run, in turns.
//!
//! `make bench-lambda` prepares what this needs. Absolute times belong to the machine; the ratios
//! are what is quoted.

#![allow(missing_docs)]

mod measure;
mod peers;

use std::error::Error;
use std::path::{Path, PathBuf};

use glimpse_tests::s3::S3Server;
use glimpse_tests::{event, workspace};

use measure::{Floor, median, ms};
use peers::{Peer, Running};

type Failure = Box<dyn Error>;

const COLD_ROUNDS: usize = 15;
const WARM_ROUNDS: usize = 12;
const WARM_BLOCK: usize = 15;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The bench starts itself for what needs a fresh process.
        [_, "--floor", bundle] => return measure::print_floor(Path::new(bundle)),
        [_, "--empty-function"] => return peers::empty_function(),
        _ => {}
    }
    let bundle = PathBuf::from(
        std::env::var_os("GLIMPSE_BENCH_BUNDLE")
            .unwrap_or_else(|| workspace::root().join("target/bundle-224").into_os_string()),
    );
    let server = S3Server::start(&["models"]);
    let uri = server.publish(&bundle, "models", "bench/1");
    let small = event::predict(&measure::jpeg("chelsea.png", 500, 375)?).to_string();
    cold(&server, &bundle, &uri, &small)?;
    let large = event::predict(&measure::jpeg("astronaut.png", 4000, 3000)?).to_string();
    warm(&server, &bundle, &small, &large)
}

/// From the first invocation, which starts the process, to its answer.
fn cold(server: &S3Server, bundle: &Path, uri: &str, event: &str) -> Result<(), Failure> {
    let folder = bundle.to_string_lossy();
    let peers = [
        Peer::glimpse("glimpse, model in S3", uri),
        Peer::glimpse("glimpse, model in a folder", &folder),
        Peer::python("Python handler, model in S3", uri),
        Peer::python("Python handler, model in a folder", &folder),
        Peer::empty(),
    ];
    let mut floors = Vec::new();
    let mut times = vec![Vec::new(); peers.len()];
    for round in 0..COLD_ROUNDS {
        measure::progress("cold starts", round, COLD_ROUNDS);
        floors.push(Floor::in_a_fresh_process(bundle)?);
        for (peer, times) in peers.iter().zip(&mut times) {
            let running = Running::start(peer, server)?;
            times.push(measure::time(|| running.invoke(event))?);
        }
    }
    let floor = median(floors.iter().map(Floor::total));
    println!(
        "\nCold start: process start to first answer, 500 x 375 JPEG, median of {COLD_ROUNDS}"
    );
    println!("  {:36}{:>8.1} ms", "what cannot be avoided", ms(floor));
    for (stage, of) in Floor::STAGES {
        println!("    {stage:34}{:>8.1} ms", ms(median(floors.iter().map(of))));
    }
    let medians: Vec<_> = times.iter().map(|times| median(times.iter().copied())).collect();
    for (peer, median) in peers.iter().zip(&medians) {
        println!("  {:36}{:>8.1} ms", peer.name, ms(*median));
    }
    let [ours_s3, ours_folder, python_s3, python_folder, _] = medians[..] else { return Ok(()) };
    measure::verdict("glimpse from S3 / unavoidable", ours_s3, floor, 1.35);
    measure::verdict("glimpse from S3 / Python from S3", ours_s3, python_s3, 0.55);
    measure::verdict("glimpse from S3 / Python from a folder", ours_s3, python_folder, 0.55);
    measure::verdict("glimpse / Python, both from a folder", ours_folder, python_folder, 0.55);
    Ok(())
}

/// Warm requests in turns, and what each process needed at most.
fn warm(server: &S3Server, bundle: &Path, small: &str, large: &str) -> Result<(), Failure> {
    let folder = bundle.to_string_lossy();
    let peers =
        [Peer::glimpse("glimpse", &folder), Peer::python("Python handler", &folder), Peer::empty()];
    let running: Vec<Running> =
        peers.iter().map(|peer| Running::start(peer, server)).collect::<Result<_, _>>()?;
    let mut bare = measure::Bare::new(bundle)?;
    let mut bare_times = Vec::new();
    let mut times = vec![Vec::new(); peers.len()];
    for round in 0..WARM_ROUNDS {
        measure::progress("warm requests", round, WARM_ROUNDS);
        for (running, times) in running.iter().zip(&mut times) {
            running.invoke(small)?;
            for _ in 0..WARM_BLOCK {
                times.push(measure::time(|| running.invoke(small))?);
            }
        }
        bare.run()?;
        for _ in 0..WARM_BLOCK {
            bare_times.push(measure::time(|| bare.run())?);
        }
    }
    let requests = WARM_ROUNDS * WARM_BLOCK;
    println!("\nWarm: one request through the emulator, 500 x 375 JPEG, median of {requests}");
    let bare = median(bare_times);
    println!("  {:36}{:>8.2} ms", "bare session.run", ms(bare));
    let medians: Vec<_> = times.iter().map(|times| median(times.iter().copied())).collect();
    for (peer, median) in peers.iter().zip(&medians) {
        println!("  {:36}{:>8.2} ms", peer.name, ms(*median));
    }
    let [ours, python, empty] = medians[..] else { return Ok(()) };
    measure::verdict("(glimpse - empty) / bare session.run", ours - empty, bare, 1.15);
    measure::verdict("glimpse / Python", ours, python, 0.85);
    // With nothing of one's own around the run: what no handler comes below on this processor.
    measure::note("(empty + bare session.run) / Python", empty + bare, python);

    println!("\nPeak memory (VmHWM) after these requests");
    let peaks: Vec<u64> = running.iter().map(Running::peak_bytes).collect::<Result<_, _>>()?;
    for (peer, peak) in peers.iter().zip(&peaks) {
        println!("  {:36}{:>8.1} MB", peer.name, *peak as f64 / 1e6);
    }
    measure::bound("glimpse / Python", peaks[0] as f64 / peaks[1] as f64, 0.9);
    measure::bound("glimpse in units of 200 MB", peaks[0] as f64 / 200e6, 1.0);

    println!("\nWarm: 4000 x 3000 JPEG, median of {WARM_BLOCK}");
    for (peer, running) in peers.iter().zip(&running).take(2) {
        running.invoke(large)?;
        let times: Result<Vec<_>, Failure> =
            (0..WARM_BLOCK).map(|_| measure::time(|| running.invoke(large))).collect();
        println!(
            "  {:36}{:>8.1} ms, peak {:.1} MB",
            peer.name,
            ms(median(times?)),
            running.peak_bytes()? as f64 / 1e6
        );
    }
    Ok(())
}
