//! The edge binary at work: `glimpse serve` under 1 to 64 clients with shared runs and without,
//! `glimpse classify` over many small JPEGs against the bare session, and `glimpse serve` at length.
//!
//! `make bench-edge` prepares what this needs. Absolute numbers belong to the machine; the ratios
//! are what is quoted. `GLIMPSE_BENCH_ROUNDS` (5), `GLIMPSE_BENCH_PICTURES` (10,000) and
//! `GLIMPSE_BENCH_SECONDS` (60) say how much, 0 leaves that part out; `GLIMPSE_BENCH_BUNDLE` says with
//! which model. `GLIMPSE_BENCH_PROGRAM` is the `glimpse` to measure, by default the one that was built
//! with this; `GLIMPSE_BENCH_BASELINE` is the `glimpse` of another build, to compare with, and
//! `GLIMPSE_BENCH_BASELINE_BUNDLE` its model where it needs another form of it. What the clients saw
//! goes to `target/peers/edge.json`, from which `make performance-docs` makes a table.

#![allow(missing_docs)]

mod bare;
mod load;
mod results;
mod shared;
mod soak;
mod throughput;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use glimpse_tests::edge::{glimpse, program};
use glimpse_tests::workspace;
use image::DynamicImage;
use image::imageops::{FilterType, resize};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let bundle = std::env::var_os("GLIMPSE_BENCH_BUNDLE").map(PathBuf::from);
    let bundle = bundle.unwrap_or_else(|| workspace::root().join("target/bundle-224-optimized"));
    let (rounds, pictures) =
        (number("GLIMPSE_BENCH_ROUNDS", 5)?, number("GLIMPSE_BENCH_PICTURES", 10_000)?);
    let seconds = number("GLIMPSE_BENCH_SECONDS", 60)?;
    if rounds > 0 {
        shared::run(&bundle, rounds)?;
    }
    if pictures > 0 {
        throughput::run(&bundle, pictures)?;
    }
    if seconds > 0 {
        soak::run(&bundle, Duration::from_secs(seconds as u64))?;
    }
    Ok(())
}

fn number(variable: &str, default: usize) -> Result<usize, Failure> {
    let value = std::env::var(variable).ok();
    Ok(value.map(|value| value.parse()).transpose()?.unwrap_or(default))
}

/// The program to measure, with a model.
fn measured(bundle: &Path) -> Command {
    match std::env::var_os("GLIMPSE_BENCH_PROGRAM") {
        Some(path) => program(path, bundle),
        None => glimpse(bundle),
    }
}

/// As thumbnails are.
const SMALL: (u32, u32) = (160, 120);

/// A part of a real picture as a JPEG of a size; a different part for each `number`.
fn jpeg(
    whole: &DynamicImage,
    number: usize,
    (width, height): (u32, u32),
) -> Result<Vec<u8>, Failure> {
    let number = u32::try_from(number)?;
    let (left, top) = (number * 7 % (whole.width() / 2), number * 3 % (whole.height() / 2));
    let part = whole.crop_imm(left, top, whole.width() / 2, whole.height() / 2).into_rgb8();
    let small = resize(&part, width, height, FilterType::Triangle);
    Ok(glimpse_tests::jpeg::rgb(small.as_raw(), small.dimensions())?)
}

fn verdict(what: &str, value: f64, target: f64, holds: bool) {
    let word = if holds { "ok" } else { "MISSED" };
    println!("  {what:44} {value:.2} (target {target:.2}) {word}");
}
