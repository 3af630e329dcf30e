//! Log lines on standard error: text for a terminal, JSON for a collector.

use std::io::{IsTerminal as _, stderr};

use clap::Args;
use glimpse_telemetry::logs;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::error::Error;

/// What is logged.
#[derive(Debug, Args)]
pub struct LogArguments {
    #[arg(
        long,
        env = "GLIMPSE_LOG",
        hide_env_values = true,
        value_name = "LEVEL",
        help = "error to trace, also by module: info,glimpse_model_store=debug"
    )]
    log: Option<String>,
}

impl LogArguments {
    /// Start logging, at `default` where nothing is asked for.
    ///
    /// # Errors
    /// When the level is not one.
    pub fn start(&self, default: &str) -> Result<(), Error> {
        let asked = self.log.as_deref().filter(|level| !level.is_empty());
        let level = asked.unwrap_or(default);
        let filter = logs::filter(level).map_err(|_| Error::Invalid {
            flag: "--log (GLIMPSE_LOG)",
            value: level.to_owned(),
            expected: "error to trace, also by module: info,glimpse_model_store=debug",
        })?;
        let lines = fmt::layer().with_writer(stderr);
        let registry = tracing_subscriber::registry();
        if stderr().is_terminal() {
            registry.with(lines.compact().with_target(false).with_filter(filter)).init();
        } else {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            registry.with(lines.with_filter(filter)).init();
        }
        Ok(())
    }
}
