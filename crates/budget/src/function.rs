//! Settings of a Lambda function, held against its memory size before there is a model.

use std::fmt::Display;
use std::time::Duration;

use glimpse_settings::{Number, SettingError, Strings, Whole};

use crate::lambda::{self, Memory};
use crate::pace::{ERROR, PROCESSOR};
use crate::share::{Share, settings};

/// What the engine takes with a model of the default one's size. A larger model makes the budgets
/// smaller once it is loaded.
const ENGINE: u64 = 128 << 20;

/// For decoding, of the least time limit that the template takes: the rest is for the model's load and runs.
const DECODING: Duration = Duration::from_secs(20);

/// What a memory size leaves for images and bodies.
#[derive(Debug, Clone, Copy)]
struct Function {
    megabytes: u64,
    share: Share,
}

impl Function {
    /// Nothing elsewhere than on Lambda.
    fn read(environment: &impl Strings) -> Result<Option<Self>, SettingError> {
        let Some(Memory { megabytes, limit }) = lambda::memory(environment)? else {
            return Ok(None);
        };
        let budget = settings::MEMORY_BUDGET.read_if_set(environment)?;
        let left = Share::left(limit, ENGINE);
        let function = Self { megabytes, share: Share::of(budget.unwrap_or(left)) };
        match budget.filter(|budget| *budget > left) {
            Some(budget) => Err(function.refuse(settings::MEMORY_BUDGET.variable, budget, left)),
            None => Ok(Some(function)),
        }
    }

    /// Time on one core that the pictures of a request may be estimated to take.
    fn decoding(&self) -> Duration {
        let part = u32::try_from(self.megabytes).unwrap_or(u32::MAX).min(PROCESSOR);
        DECODING / ERROR * part / PROCESSOR
    }

    fn refuse(
        &self,
        variable: &'static str,
        value: impl Display,
        most: impl Display,
    ) -> SettingError {
        let megabytes = self.megabytes;
        let expected = format!(
            "at most {most} with the {megabytes} MB of this function; \
             raise its memory size, or lower this"
        );
        SettingError::invalid(variable, value.to_string(), expected)
    }
}

/// Read `GLIMPSE_MEMORY_BUDGET`.
///
/// # Errors
/// When it is not a number, or more than a Lambda function's memory size leaves beside the engine.
pub fn read_budget(environment: &impl Strings) -> Result<Option<u64>, SettingError> {
    Function::read(environment)?;
    settings::MEMORY_BUDGET.read_if_set(environment)
}

/// Read `number`, which in a Lambda function may be as large as `most` says of what its memory size
/// leaves. So may the default, which is lowered to it.
///
/// # Errors
/// When it is not a number, out of its range, or set to more.
pub fn read_within<T: Whole + TryFrom<u64>>(
    number: &Number<T>,
    environment: &impl Strings,
    most: impl FnOnce(Share) -> u64,
) -> Result<T, SettingError> {
    let set = number.read_if_set(environment)?;
    let Some(function) = Function::read(environment)? else {
        return Ok(set.unwrap_or(number.default));
    };
    let most = T::try_from(most(function.share)).unwrap_or(T::MAX);
    match set {
        Some(set) if set > most => Err(function.refuse(number.variable, set, most)),
        Some(set) => Ok(set),
        None if number.default > most => Ok(most),
        None => Ok(number.default),
    }
}

/// The time on one core that the pictures of one request may be estimated to take, so that a Lambda
/// function of this memory size answers before its own time is over; elsewhere any.
///
/// # Errors
/// When a variable is not a number.
pub fn read_decoding_time(environment: &impl Strings) -> Result<Duration, SettingError> {
    Ok(Function::read(environment)?.map_or(Duration::MAX, |function| function.decoding()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
    const PIXELS: Number<u64> = Number::new("PIXELS", 50_000_000, 1..=u64::MAX);

    fn pixels(variables: &[(&str, &str)]) -> Result<u64, String> {
        let most = |share: Share| share.pictures / 8;
        read_within(&PIXELS, &variables, most).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_follows_the_memory_size() {
        assert_eq!(pixels(&[]), Ok(50_000_000));
        assert_eq!(pixels(&[(MEMORY_SIZE, "1769")]), Ok(50_000_000));
        let small = pixels(&[(MEMORY_SIZE, "256")]).unwrap();
        assert!((8_000_000..10_000_000).contains(&small), "{small}");
        let several = pixels(&[(MEMORY_SIZE, "256"), ("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).unwrap();
        assert!(several < small, "{several}");
        assert_eq!(
            pixels(&[(MEMORY_SIZE, "256"), (settings::MEMORY_BUDGET.variable, "12000000")]),
            Ok(1_000_000)
        );
    }

    #[test]
    fn a_smaller_function_has_less_time_for_a_request() {
        let milliseconds =
            |megabytes: &str| read_decoding_time(&[(MEMORY_SIZE, megabytes)]).unwrap().as_millis();
        assert_eq!(read_decoding_time(&[]), Ok(Duration::MAX));
        assert_eq!((milliseconds("256"), milliseconds("885")), (1447, 5002));
        // More processors do not make one picture faster.
        assert_eq!((milliseconds("1769"), milliseconds("10240")), (10_000, 10_000));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_name() {
        let error = pixels(&[(MEMORY_SIZE, "256"), ("PIXELS", "50000000")]).unwrap_err();
        assert!(error.starts_with("PIXELS is `50000000`; expected at most "), "{error}");
        assert!(error.contains("with the 256 MB of this function"), "{error}");
        assert_eq!(pixels(&[("PIXELS", "50000000")]), Ok(50_000_000));
        let budget = [(MEMORY_SIZE, "256"), ("GLIMPSE_MEMORY_BUDGET", "268435456")];
        let error = read_budget(&budget).unwrap_err().to_string();
        assert!(
            error.starts_with("GLIMPSE_MEMORY_BUDGET is `268435456`; expected at most "),
            "{error}"
        );
        assert_eq!(read_budget(&[("GLIMPSE_MEMORY_BUDGET", "268435456")]), Ok(Some(268_435_456)));
    }
}
