//! JSON log lines on standard output, as severe as `GLIMPSE_LOG` says.

use glimpse_settings::{SettingError, Strings};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The variable that holds the filter.
pub const VARIABLE: &str = "GLIMPSE_LOG";
/// What the variable should hold.
pub const FORM: &str =
    "error, warn, info, debug, trace or off, also by module: warn,glimpse_model_store=debug";

/// Parse a filter: a level for this product's own lines, or levels by module.
///
/// Libraries log only warnings and errors unless they are named: below that, they print object keys.
///
/// # Errors
/// When it is neither. A single word is not taken for a module: most such words are levels with a
/// typing error, and as modules they would silence everything.
pub fn filter(value: &str) -> Result<Targets, SettingError> {
    if let Ok(level) = value.parse::<Level>() {
        return Ok(at(level));
    }
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_part = |part: &str| part.contains('=') || is_level(part.trim());
    let well_formed = value.split(',').all(is_part);
    let filter = value.parse().ok().filter(|_| well_formed);
    filter.ok_or_else(|| SettingError::invalid(VARIABLE, value, FORM))
}

/// The filter of a level without modules.
#[must_use]
pub fn at(level: Level) -> Targets {
    Targets::new().with_default(level.min(Level::WARN)).with_target("glimpse", level)
}

/// Start logging; `GLIMPSE_LOG` is as [`filter`] takes it, `info` where it is unset or empty.
///
/// # Errors
/// Names the variable and its value. Logging has started all the same, at `info`, so that the error
/// can be logged.
///
/// # Panics
/// When logging was started before.
pub fn start(environment: &impl Strings) -> Result<(), SettingError> {
    let asked =
        environment.text(VARIABLE).and_then(|value| value.as_deref().map(filter).transpose());
    let shown = asked.as_ref().ok().cloned().flatten().unwrap_or_else(|| at(Level::INFO));
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false);
    tracing_subscriber::registry().with(lines.with_filter(shown)).init();
    asked.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_limits_libraries_to_warnings() {
        let debug = filter("debug").unwrap();
        assert!(debug.would_enable("glimpse_model_store::load", &Level::DEBUG));
        assert!(!debug.would_enable("aws_smithy_runtime", &Level::INFO));
        assert!(debug.would_enable("aws_smithy_runtime", &Level::WARN));
        let error = filter("error").unwrap();
        assert!(!error.would_enable("aws_smithy_runtime", &Level::WARN));
        let named = filter("warn,aws_smithy_runtime=debug").unwrap();
        assert!(named.would_enable("aws_smithy_runtime", &Level::DEBUG));
        for wrong in ["glimpse=loud", "warning", "loud", "info,glimpse_edge", "debug,", ""] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
        assert!(filter("off").is_ok_and(|off| !off.would_enable("glimpse", &Level::ERROR)));
    }
}
