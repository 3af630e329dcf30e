//! `glimpse serve`.

use std::process::ExitCode;

/// What `glimpse serve` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Not built yet: says so and fails.
pub fn run(_: &Arguments) -> ExitCode {
    eprintln!("glimpse serve is not built yet");
    ExitCode::from(2)
}
