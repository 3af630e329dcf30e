//! `glimpse watch`.

use std::process::ExitCode;

/// What `glimpse watch` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Not built yet: says so and fails.
pub fn run(_: &Arguments) -> ExitCode {
    eprintln!("glimpse watch is not built yet");
    ExitCode::from(2)
}
