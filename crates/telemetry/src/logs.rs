//! JSON log lines on standard output, as severe as `GLIMPSE_LOG` says.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

const VARIABLE: &str = "GLIMPSE_LOG";

/// What is neither a level nor levels by module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("error, warn, info, debug, trace or off, also by module: warn,glimpse_model_store=debug")]
pub struct NoLevel;

/// `GLIMPSE_LOG` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("GLIMPSE_LOG is `{value}`; expected {expected}")]
pub struct InvalidFilter {
    value: String,
    expected: NoLevel,
}

/// What `value` lets through: a level, which means this product's own lines, or levels by module.
///
/// Libraries say only what is wrong unless they are named: below that, they print object keys.
///
/// # Errors
/// When it is neither. A word alone is no module: most such words are levels with a typing error, and
/// as modules they would silence everything.
pub fn filter(value: &str) -> Result<Targets, NoLevel> {
    if let Ok(level) = value.parse::<Level>() {
        return Ok(Targets::new()
            .with_default(level.min(Level::WARN))
            .with_target("glimpse", level));
    }
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let told = |part: &str| part.contains('=') || is_level(part.trim());
    let all_told = value.split(',').all(told);
    value.parse().ok().filter(|_| all_told).ok_or(NoLevel)
}

/// Start logging; `GLIMPSE_LOG` is as [`filter`] takes it, `info` where it is unset or empty.
///
/// # Errors
/// Names the variable and its value. Logging has started all the same, at `info`, so that the error
/// can be logged.
///
/// # Panics
/// When logging was started before.
pub fn start() -> Result<(), InvalidFilter> {
    let value = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    let filter = filter(value.as_deref().unwrap_or("info"));
    let shown = filter.as_ref().cloned().unwrap_or(Targets::new().with_default(Level::INFO));
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false);
    tracing_subscriber::registry().with(lines.with_filter(shown)).init();
    match (filter, value) {
        (Err(expected), Some(value)) => Err(InvalidFilter { value, expected }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_is_not_for_libraries_unless_something_is_wrong() {
        let debug = filter("debug").unwrap();
        assert!(debug.would_enable("glimpse_model_store::load", &Level::DEBUG));
        assert!(!debug.would_enable("aws_smithy_runtime", &Level::INFO));
        assert!(debug.would_enable("aws_smithy_runtime", &Level::WARN));
        let error = filter("error").unwrap();
        assert!(!error.would_enable("aws_smithy_runtime", &Level::WARN));
        let named = filter("warn,aws_smithy_runtime=debug").unwrap();
        assert!(named.would_enable("aws_smithy_runtime", &Level::DEBUG));
        for wrong in ["glimpse=loud", "warning", "loud", "info,glimpse_edge", "debug,", ""] {
            assert_eq!(filter(wrong), Err(NoLevel), "{wrong}");
        }
        assert!(filter("off").is_ok_and(|off| !off.would_enable("glimpse", &Level::ERROR)));
    }
}
