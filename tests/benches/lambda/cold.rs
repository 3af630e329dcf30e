//! From the start of a process to its first answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;

use crate::Failure;
use crate::measure::{self, Floor, median, ms};
use crate::peers::{Peer, Running};

/// How many rounds there are at least.
const ROUNDS: usize = 15;

/// From the first invocation, which starts the process, to its answer.
pub fn run(server: &S3Server, bundle: &Path, event: &str) -> Result<(), Failure> {
    let folder = bundle.to_string_lossy();
    let uri = server.publish(bundle, "models", "bench/1");
    let lite = workspace::bundle("imagenet-lite");
    let lite_uri = server.publish(&lite, "models", "bench/lite");
    let mut peers = vec![
        Peer::glimpse("glimpse, model in S3", &uri),
        Peer::glimpse("glimpse, model in a folder", &folder),
        Peer::python("Python handler, model in S3", &uri),
        Peer::python("Python handler, model in a folder", &folder),
        Peer::empty(),
        Peer::glimpse("glimpse, imagenet-lite in S3", &lite_uri),
        Peer::glimpse("glimpse, imagenet-lite in a folder", &lite.to_string_lossy()),
    ];
    // Those whose graphs are measured bare.
    let mut bundles = vec![bundle.to_owned()];
    let optimized = format!("{folder}-optimized");
    if Path::new(&optimized).is_dir() {
        let uri = server.publish(Path::new(&optimized), "models", "bench/optimized");
        peers.push(Peer::glimpse("glimpse, graph for the CPU in S3", &uri));
        peers.push(Peer::glimpse("glimpse, graph for the CPU in a folder", &optimized));
        bundles.push(PathBuf::from(optimized));
    }
    let mut floors: Vec<Vec<Floor>> = bundles.iter().map(|_| Vec::new()).collect();
    let mut times = vec![Vec::new(); peers.len()];
    // What ran before leaves its mark on a start, such as memory that the machine still holds: each
    // comes after each of the others equally often.
    let orders = balanced_orders(peers.len() + bundles.len());
    let rounds = ROUNDS.next_multiple_of(orders.len());
    for round in 0..rounds {
        measure::progress("cold starts", round, rounds);
        for &turn in &orders[round % orders.len()] {
            if let Some(peer) = peers.get(turn) {
                let running = Running::start(peer, server)?;
                times[turn].push(measure::time(|| running.invoke(event))?);
            } else {
                let which = turn - peers.len();
                floors[which].push(Floor::in_a_fresh_process(&bundles[which])?);
            }
        }
    }
    println!("\nCold start: process start to first answer, 500 x 375 JPEG, median of {rounds}");
    let unavoidable: Vec<_> = floors.iter().map(|floors| print_floor(floors)).collect();
    let floor = unavoidable[0];
    let medians: Vec<_> = times.into_iter().map(median).collect();
    for (peer, median) in peers.iter().zip(&medians) {
        println!("  {:36}{:>8.1} ms", peer.name, ms(*median));
    }
    let [ours_s3, ours_folder, python_s3, python_folder, _, ref others @ ..] = medians[..] else {
        return Ok(());
    };
    measure::verdict("glimpse from S3 / unavoidable", ours_s3, floor, 1.35);
    measure::verdict("glimpse from S3 / Python from S3", ours_s3, python_s3, 0.55);
    measure::verdict("glimpse from S3 / Python from a folder", ours_s3, python_folder, 0.55);
    measure::verdict("glimpse / Python, both from a folder", ours_folder, python_folder, 0.55);
    let [lite_s3, lite_folder, ref optimized @ ..] = *others else { return Ok(()) };
    measure::note("imagenet-lite / ResNet50, both from S3", lite_s3, ours_s3);
    measure::note("imagenet-lite / ResNet50, both from a folder", lite_folder, ours_folder);
    if let ([optimized_s3, optimized_folder], [_, floor]) = (optimized, &unavoidable[..]) {
        measure::note("graph for the CPU / portable, both from S3", *optimized_s3, ours_s3);
        measure::note("graph for the CPU / portable, a folder", *optimized_folder, ours_folder);
        measure::note("graph for the CPU from S3 / unavoidable", *optimized_s3, *floor);
        measure::note("graph for the CPU, a folder / unavoidable", *optimized_folder, *floor);
        measure::note("graph for the CPU / Python, a folder", *optimized_folder, python_folder);
    }
    Ok(())
}

/// What a graph takes by itself, and its stages; gives the sum.
fn print_floor(floors: &[Floor]) -> Duration {
    let total = median(floors.iter().map(Floor::total));
    println!("  {:36}{:>8.1} ms", "what cannot be avoided", ms(total));
    for (stage, of) in Floor::STAGES {
        println!("    {stage:34}{:>8.1} ms", ms(median(floors.iter().map(of))));
    }
    total
}

/// Orders of `0..n` in which each comes after each of the others equally often: the rows of a Latin
/// square balanced for carry-over, and the same backwards where `n` is odd.
///
/// Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects of
/// treatments, Australian Journal of Scientific Research 2 (1949).
fn balanced_orders(n: usize) -> Vec<Vec<usize>> {
    // 0, 1, n − 1, 2, n − 2, …: neighbours differ by each number once.
    let zigzag =
        |place: usize| if place % 2 == 1 { place.div_ceil(2) } else { (n - place / 2) % n };
    let rows = (0..n).map(|row| (0..n).map(|place| (zigzag(place) + row) % n).collect());
    let mut orders: Vec<Vec<usize>> = rows.collect();
    if n % 2 == 1 {
        let backwards: Vec<_> =
            orders.iter().map(|row| row.iter().rev().copied().collect()).collect();
        orders.extend(backwards);
    }
    orders
}
