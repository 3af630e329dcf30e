//! JSON log lines on standard output, as severe as `GLIMPSE_LOG` says.

use tracing::Level;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

const VARIABLE: &str = "GLIMPSE_LOG";

/// `GLIMPSE_LOG` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("GLIMPSE_LOG is `{value}`; expected error to trace: {source}")]
pub struct InvalidFilter {
    value: String,
    source: ParseError,
}

/// Start logging; `GLIMPSE_LOG` is a level or levels by module, `info` where it is unset or empty.
///
/// # Errors
/// Names the variable and its value. Logging has started all the same, at `info`, so that the error
/// can be logged.
///
/// # Panics
/// When logging was started before.
pub fn start() -> Result<(), InvalidFilter> {
    let value = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    let filter: Result<Targets, _> = value.as_deref().unwrap_or("info").parse();
    let shown = filter.as_ref().cloned().unwrap_or(Targets::new().with_default(Level::INFO));
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false);
    tracing_subscriber::registry().with(lines.with_filter(shown)).init();
    match (filter, value) {
        (Err(source), Some(value)) => Err(InvalidFilter { value, source }),
        _ => Ok(()),
    }
}
