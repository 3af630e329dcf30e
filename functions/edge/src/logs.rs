//! Log lines on standard error: text for a terminal, JSON for a collector.

use std::io::{IsTerminal as _, stderr};

use clap::Args;
use glimpse_telemetry::logs;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::flags;

/// What is logged.
#[derive(Debug, Args)]
pub struct LogArguments {
    #[arg(
        long,
        env = logs::VARIABLE,
        hide_env_values = true,
        value_name = "LEVEL",
        value_parser = flags::log_filter,
        help = "error to trace, also by module: info,glimpse_model_store=debug"
    )]
    log: Option<Targets>,
}

impl LogArguments {
    /// Start logging, at `default` where nothing is asked for.
    pub fn start(&self, default: Level) {
        let filter = self.log.clone().unwrap_or_else(|| logs::at(default));
        let lines = fmt::layer().with_writer(stderr);
        let registry = tracing_subscriber::registry();
        if stderr().is_terminal() {
            registry.with(lines.compact().with_target(false).with_filter(filter)).init();
        } else {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            registry.with(lines.with_filter(filter)).init();
        }
    }
}
