//! `glimpse serve` in closed loops of 1 to 64 clients: with shared runs, with each picture by itself,
//! the other build, and the bare session, in turns.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, program};
use glimpse_tests::workspace;
use serde::Serialize;

use super::bare::{Bare, RUN};
use super::load::{Seen, clients, request};
use super::{Failure, jpeg, measured, results, verdict};

const CLIENTS: [usize; 4] = [1, 4, 16, 64];
/// Clients by which the goals are measured.
const GOAL: usize = 16;
/// A turn of one server.
const TURN: Duration = Duration::from_secs(4);
/// A picture as pages of the web have it.
const SIZE: (u32, u32) = (500, 375);

/// The server whose pictures share no runs.
const ALONE: &str = "each by itself";

/// What one turn gave.
#[derive(Clone, Copy, Serialize)]
pub struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
}

pub struct Server {
    pub name: &'static str,
    address: SocketAddr,
    /// The turns of each number of clients.
    pub turns: [Vec<Turn>; CLIENTS.len()],
    /// Those of one client who wants explanations.
    pub explained: Vec<Turn>,
    _running: Running,
}

impl Server {
    fn start(name: &'static str, mut command: std::process::Command) -> Self {
        let (running, address) = Running::serve(command.env("GLIMPSE_LOG", "warn,glimpse=info"));
        let (turns, explained) = (Default::default(), Vec::new());
        Self { name, address, turns, explained, _running: running }
    }

    /// A turn of so many clients.
    fn turn(&self, picture: &Arc<Vec<u8>>, count: usize) -> Result<Turn, Failure> {
        let seen = clients(self.address, picture, count, TURN, None)?;
        let Seen { answers, errors, .. } = seen;
        if errors > 0 {
            return Err(
                format!("{}: {errors} of {count} clients' requests failed", self.name).into()
            );
        }
        let rate = answers as f64 / TURN.as_secs_f64();
        Ok(Turn { rate, p50: seen.ms(0.5), p99: seen.ms(0.99) })
    }

    fn median(&self, place: usize, of: impl Fn(&Turn) -> f64) -> Spread {
        Spread::of(self.turns[place].iter().map(of).collect())
    }
}

/// The median, and the lowest and highest.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values.get(part * values.len().saturating_sub(1) / 2).copied();
        let at = |part| at(part).unwrap_or_default();
        Self { low: at(0), median: at(1), high: at(2) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.1} ({:.1}–{:.1})", self.median, self.low, self.high)
    }
}

pub fn run(bundle: &Path, rounds: usize) -> Result<(), Failure> {
    let whole = image::open(workspace::picture("chelsea.png"))?;
    let file = jpeg(&whole, 0, SIZE)?;
    let picture = Arc::new(request("", &file));
    let explained = Arc::new(request("?explain=true", &file));
    let mut alone = measured(bundle);
    alone.env("GLIMPSE_BATCH_MOST", "1");
    let mut servers =
        vec![Server::start("shared runs", measured(bundle)), Server::start(ALONE, alone)];
    if let Some(baseline) = std::env::var_os("GLIMPSE_BENCH_BASELINE") {
        // Without a graph that it may not know.
        let plain = || workspace::root().join("target/bundle-224");
        let model =
            std::env::var_os("GLIMPSE_BENCH_BASELINE_BUNDLE").map_or_else(plain, PathBuf::from);
        servers.push(Server::start("the other build", program(baseline, model)));
    }
    let (bare, mut bare_rates) = (Bare::new(bundle)?, [const { Vec::new() }; CLIENTS.len()]);
    bare.run()?;
    for server in &servers {
        clients(server.address, &picture, GOAL, TURN / 2, None)?;
        clients(server.address, &explained, 1, TURN / 4, None)?;
    }
    for round in 0..rounds {
        eprintln!("clients, round {} of {rounds}", round + 1);
        // Whoever comes first finds another machine than who comes last: they take turns at that too.
        servers.reverse();
        for (place, count) in CLIENTS.into_iter().enumerate() {
            for server in &mut servers {
                let turn = server.turn(&picture, count)?;
                server.turns[place].push(turn);
            }
            bare_rates[place].push(bare_rate(&bare)?);
        }
        for server in servers.iter_mut().filter(|server| server.name != ALONE) {
            let turn = server.turn(&explained, 1)?;
            server.explained.push(turn);
        }
    }
    if rounds % 2 == 1 {
        servers.reverse();
    }
    results::write(&servers, &CLIENTS, &bare_rates)?;
    let bare = Spread::of(bare_rates.concat());
    println!(
        "\nglimpse serve, a JPEG of {} x {}, {rounds} rounds: median (lowest–highest)",
        SIZE.0, SIZE.1
    );
    println!(
        "  {:16} {:>7} {:>24} {:>24} {:>24}",
        "", "clients", "answers a second", "p50 ms", "p99 ms"
    );
    for (place, count) in CLIENTS.into_iter().enumerate() {
        for server in &servers {
            let columns = [
                server.median(place, |turn| turn.rate),
                server.median(place, |turn| turn.p50),
                server.median(place, |turn| turn.p99),
            ]
            .map(|spread| spread.to_string());
            let [rate, p50, p99] = columns;
            println!("  {:16} {count:>7} {rate:>24} {p50:>24} {p99:>24}", server.name);
        }
    }
    println!("  {:16} {:>7} {:>24}", "the bare session", "", bare.to_string());
    goals(&servers, &bare);
    Ok(())
}

fn goals(servers: &[Server], bare: &Spread) {
    let [shared, others @ ..] = servers else { return };
    let goal = CLIENTS.iter().position(|count| *count == GOAL).unwrap_or_default();
    let rate = shared.median(goal, |turn| turn.rate).median;
    for other in others {
        let alone = |server: &Server| server.median(0, |turn| turn.p50).median;
        let lone = alone(shared) / alone(other);
        verdict(&format!("p50 of 1 client / {}", other.name), lone, 1.0, lone <= 1.0);
        let gain = rate / other.median(goal, |turn| turn.rate).median;
        verdict(&format!("rate of {GOAL} clients / {}", other.name), gain, 1.15, gain >= 1.15);
        let explained = |server: &Server| {
            Spread::of(server.explained.iter().map(|turn| turn.p50).collect()).median
        };
        if !other.explained.is_empty() {
            let ratio = explained(shared) / explained(other);
            verdict(&format!("p50, explained / {}", other.name), ratio, 1.0, ratio <= 1.0);
        }
    }
    let reached = rate / bare.median;
    verdict(&format!("rate of {GOAL} clients / the bare session"), reached, 0.85, reached >= 0.85);
    let spread = shared.median(goal, |turn| turn.p99 / turn.p50).median;
    verdict(&format!("p99 / p50 of {GOAL} clients"), spread, 2.0, spread <= 2.0);
}

/// Pictures a second of the session alone, in runs of 8 that are in memory.
fn bare_rate(bare: &Bare) -> Result<f64, Failure> {
    let (started, mut runs) = (Instant::now(), 0);
    while started.elapsed() < TURN / 2 {
        bare.run()?;
        runs += 1;
    }
    Ok((runs * RUN) as f64 / started.elapsed().as_secs_f64())
}
