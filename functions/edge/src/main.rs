//! `glimpse`: the engine at the edge. Reads the command line and hands over to the verb.

mod admitted;
mod classify;
mod cli;
mod confine;
mod error;
mod flags;
mod logs;
mod model;
mod name;
mod progress;
mod record;
mod serve;
mod signals;
mod source;
mod stamp;
mod trial;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Verb};

fn main() -> ExitCode {
    glimpse_start::process::prepare();
    let cli = Cli::parse();
    let done = match cli.verb {
        verb if trial::is_asked_for() => verb.model().config().and_then(trial::run),
        Verb::Classify(arguments) => classify::run(&arguments),
        Verb::Serve(arguments) => serve::run(&arguments),
        Verb::Watch(arguments) => watch::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("glimpse: {error}");
        ExitCode::from(error::EXIT_CANNOT_START)
    })
}
