//! `glimpse classify`.

use std::process::ExitCode;

/// What `glimpse classify` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Not built yet: says so and fails.
pub fn run(_: &Arguments) -> ExitCode {
    eprintln!("glimpse classify is not built yet");
    ExitCode::from(2)
}
