//! Processor time of decoding, beside what the header announced: `cost FILE…`.
//!
//! The constants of the decoders' costs come from it:
//! `python tests/pictures/costly.py target/costly` makes the files (in `target/venv-pictures`), and
//! `cargo run --release --package glimpse-classifier --example cost target/costly/*` prints the table.

#![allow(missing_docs)]

use std::time::Duration;

use glimpse_classifier::{Limits, Request, Scale, Source};

/// The best of so many runs.
const RUNS: u32 = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits {
        max_pixels: u64::MAX,
        max_decoded_bytes: u64::MAX,
        max_time: Duration::MAX,
        ..Limits::default()
    };
    println!(
        "{:32} {:>6} {:>6} {:>9} {:>9} {:>7} {:>7}",
        "file", "MP", "MB", "estimate", "taken", "ratio", "ns/px"
    );
    for path in std::env::args_os().skip(1) {
        let bytes = std::fs::read(&path)?;
        let name = path.to_string_lossy();
        let name = name.rsplit('/').next().unwrap_or(&name);
        let open = || Source::open(&bytes, Request::default(), &limits);
        let source = match open() {
            Ok(source) => source,
            Err(error) => {
                println!("{name:32} {error}");
                continue;
            }
        };
        let (pixels, cost) = (source.header().pixels(), source.cost(Scale::Full));
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            let before = processor_time()?;
            open()?.decode(Scale::Full)?;
            best = best.min(processor_time()? - before);
        }
        #[allow(clippy::cast_precision_loss)]
        let (megapixels, megabytes) = (pixels as f64 / 1e6, bytes.len() as f64 / 1e6);
        let (estimate, taken) = (cost.time.as_secs_f64(), best.as_secs_f64());
        println!(
            "{name:32} {megapixels:6.1} {megabytes:6.1} {:8.0}ms {:8.0}ms {:7.2} {:7.1}",
            estimate * 1e3,
            taken * 1e3,
            estimate / taken,
            taken * 1e3 / megapixels,
        );
    }
    Ok(())
}

/// Of all threads of this program, of which one decodes: other programs do not count. In steps of
/// 10 ms, as proc(5) gives it.
fn processor_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let statistics = std::fs::read_to_string("/proc/self/stat")?;
    let fields = statistics.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = times.collect::<Result<Vec<_>, _>>()?.iter().sum::<u64>();
    Ok(Duration::from_millis(10 * ticks))
}
