//! What AWS Lambda says of the size of a function.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.

use glimpse_settings::{SettingError, Strings};

/// Megabytes of 2^20 bytes.
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// How many events a managed instance sends to a process at the same time; unset elsewhere.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";
/// Lambda's quota of an event.
const EVENT: u64 = 6 << 20;

/// The memory of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The memory size, as it is configured.
    pub(crate) megabytes: u64,
    /// The bytes that the function may take beside events. There is room for one event in what is
    /// spare; more of them arrive before a budget counts them.
    pub(crate) limit: u64,
}

/// Nothing elsewhere than on Lambda.
///
/// # Errors
/// When a variable is not text.
pub(crate) fn memory(environment: &impl Strings) -> Result<Option<Memory>, SettingError> {
    let events = u64::from(max_concurrency(environment)? - 1) * EVENT;
    let megabytes = environment.text(MEMORY_SIZE)?.and_then(|text| text.parse().ok());
    let memory =
        |megabytes: u64| Memory { megabytes, limit: (megabytes << 20).saturating_sub(events) };
    Ok(megabytes.map(memory))
}

/// The most events at the same time, as the runtime library reads it: one where there is no number.
///
/// # Errors
/// When the variable is not text.
pub fn max_concurrency(environment: &impl Strings) -> Result<u32, SettingError> {
    let number = environment.text(MAX_CONCURRENCY)?.and_then(|text| text.parse().ok());
    Ok(number.unwrap_or(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_number_there_is_one_event_at_a_time() {
        let most = |value| max_concurrency(&[(MAX_CONCURRENCY, value)]).unwrap();
        assert_eq!(max_concurrency(&[]).unwrap(), 1);
        assert_eq!([most("64"), most("1"), most("0"), most("-3"), most("many")], [64, 1, 1, 1, 1]);
    }

    #[test]
    fn events_that_come_together_take_memory_together() {
        let limit = |concurrency| {
            let variables = [(MEMORY_SIZE, "2048"), (MAX_CONCURRENCY, concurrency)];
            memory(&variables).unwrap().unwrap().limit
        };
        assert_eq!(limit(""), 2 << 30);
        assert_eq!(limit("33"), (2 << 30) - 32 * EVENT);
        assert_eq!(limit("1600"), 0);
    }
}
