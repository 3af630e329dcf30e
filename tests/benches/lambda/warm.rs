//! Requests to a process that has its model, and what memory they take.

use std::path::Path;
use std::time::Duration;

use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;

use crate::Failure;
use crate::measure::{self, Bare, median, ms};
use crate::peers::{Peer, Running};

/// Where a session's weights come to lie in memory moves its time by several hundredths, so all
/// processes start anew this often.
const STARTS: usize = 4;
const ROUNDS: usize = 3;
const BLOCK: usize = 15;
const LARGE_BLOCK: usize = 4;

/// Warm requests in turns, and what each process needed at most.
pub fn run(server: &S3Server, bundle: &Path, small: &str, large: &str) -> Result<(), Failure> {
    let folder = bundle.to_string_lossy();
    let lite = workspace::bundle("imagenet-lite");
    let peers = [
        Peer::glimpse("glimpse", &folder),
        Peer::python("Python handler", &folder),
        Peer::empty(),
        Peer::glimpse("glimpse, imagenet-lite", &lite.to_string_lossy()),
    ];
    let mut bare_times = Vec::new();
    let mut taken: Vec<Taken> = peers.iter().map(|_| Taken::default()).collect();
    let mut taken_large: Vec<Taken> = peers.iter().map(|_| Taken::default()).collect();
    for start in 0..STARTS {
        let running: Vec<Running> =
            peers.iter().map(|peer| Running::start(peer, server)).collect::<Result<_, _>>()?;
        let mut bare = Bare::new(bundle)?;
        for round in 0..ROUNDS {
            measure::progress("warm requests", start * ROUNDS + round, STARTS * ROUNDS);
            for (running, taken) in running.iter().zip(&mut taken) {
                taken.block(running, small, BLOCK)?;
            }
            bare.run()?;
            for _ in 0..BLOCK {
                bare_times.push(measure::time(|| bare.run())?);
            }
        }
        for (running, taken) in running.iter().zip(&mut taken_large) {
            taken.block(running, large, LARGE_BLOCK)?;
        }
    }
    latency(&peers, &taken, median(bare_times));
    memory(&peers, &taken);
    println!("\nWarm: 4000 x 3000 JPEG, median of {}", STARTS * LARGE_BLOCK);
    for (peer, taken) in peers.iter().zip(&taken_large).take(2) {
        let (time, peak) = (ms(taken.median()), taken.peak_megabytes());
        println!("  {:36}{time:>8.1} ms, peak {peak:.1} MB", peer.name);
    }
    Ok(())
}

fn latency(peers: &[Peer], taken: &[Taken], bare: Duration) {
    let requests = STARTS * ROUNDS * BLOCK;
    println!("\nWarm: one request through the emulator, 500 x 375 JPEG, median of {requests}");
    println!("  {:36}{:>8.2} ms", "bare session.run", ms(bare));
    let medians: Vec<_> = taken.iter().map(Taken::median).collect();
    for (peer, median) in peers.iter().zip(&medians) {
        println!("  {:36}{:>8.2} ms", peer.name, ms(*median));
    }
    let [ours, python, empty, lite] = medians[..] else { return };
    measure::verdict("(glimpse - empty) / bare session.run", ours - empty, bare, 1.15);
    measure::verdict("glimpse / Python", ours, python, 0.85);
    measure::note("imagenet-lite / ResNet50", lite, ours);
    // With nothing of one's own around the run: what no handler comes below on this processor.
    measure::note("(empty + bare session.run) / Python", empty + bare, python);
}

fn memory(peers: &[Peer], taken: &[Taken]) {
    println!("\nPeak memory (VmHWM) after these requests");
    let peaks: Vec<f64> = taken.iter().map(Taken::peak_megabytes).collect();
    for (peer, peak) in peers.iter().zip(&peaks) {
        println!("  {:36}{peak:>8.1} MB", peer.name);
    }
    measure::bound("glimpse / Python", peaks[0] / peaks[1], 0.9);
    measure::bound("glimpse in units of 200 MB", peaks[0] / 200.0, 1.0);
}

/// What a peer's requests took: each its time, and the process its memory at most.
#[derive(Default)]
struct Taken {
    times: Vec<Duration>,
    peak_bytes: u64,
}

impl Taken {
    /// `count` requests, after one that is not timed.
    fn block(&mut self, running: &Running, event: &str, count: usize) -> Result<(), Failure> {
        running.invoke(event)?;
        for _ in 0..count {
            self.times.push(measure::time(|| running.invoke(event))?);
        }
        self.peak_bytes = self.peak_bytes.max(running.peak_bytes()?);
        Ok(())
    }

    fn median(&self) -> Duration {
        median(self.times.iter().copied())
    }

    fn peak_megabytes(&self) -> f64 {
        self.peak_bytes as f64 / 1e6
    }
}
