//! Durations as the logs, the metrics and the answers show them.

use std::time::Duration;

/// Milliseconds, to the microsecond.
#[must_use]
pub fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_to_the_microsecond() {
        assert_eq!(ms(Duration::from_nanos(12_345_678)), 12.346);
    }
}
