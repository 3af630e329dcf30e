//! Whole numbers: sizes in bytes, durations, counts.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::error::SettingError;
use crate::strings::Strings;

/// A type of whole numbers.
pub trait Whole: FromStr + PartialOrd + Display + Copy {
    /// The largest value of the type.
    const MAX: Self;
}

macro_rules! whole {
    ($($number:ty),*) => {
        $(impl Whole for $number {
            const MAX: Self = <$number>::MAX;
        })*
    };
}

whole!(u16, u32, u64, usize);

/// A number that can be set: its variable, its default and the values that make sense.
///
/// The variable's name ends in the unit where there is one: `_BYTES`, `_MS`, `_SECONDS`, `_PIXELS`.
#[derive(Debug, Clone)]
pub struct Number<T> {
    /// The variable's name.
    pub variable: &'static str,
    /// What holds where the variable is unset.
    pub default: T,
    range: RangeInclusive<T>,
}

impl<T: Whole> Number<T> {
    /// A number in `variable`, within `range`.
    #[must_use]
    pub const fn new(variable: &'static str, default: T, range: RangeInclusive<T>) -> Self {
        Self { variable, default, range }
    }

    /// What the variable should hold, for messages.
    #[must_use]
    pub fn expected(&self) -> String {
        let (least, most) = (self.range.start(), self.range.end());
        if *most == T::MAX {
            format!("a whole number of at least {least}")
        } else {
            format!("a whole number from {least} to {most}")
        }
    }

    /// Read the number from the text of a variable or a flag.
    ///
    /// # Errors
    /// When it is not a number, or out of range.
    pub fn parse(&self, text: &str) -> Result<T, SettingError> {
        match text.parse() {
            Ok(number) if self.range.contains(&number) => Ok(number),
            _ => Err(SettingError::invalid(self.variable, text, self.expected())),
        }
    }

    /// The number that the variable holds, or the default.
    ///
    /// # Errors
    /// Names the variable, its value and what was expected.
    pub fn read(&self, environment: &impl Strings) -> Result<T, SettingError> {
        Ok(self.read_if_set(environment)?.unwrap_or(self.default))
    }

    /// The number that the variable holds, if it is set: where the default depends on other things.
    ///
    /// # Errors
    /// Names the variable, its value and what was expected.
    pub fn read_if_set(&self, environment: &impl Strings) -> Result<Option<T>, SettingError> {
        environment.text(self.variable)?.map(|text| self.parse(&text)).transpose()
    }
}

impl Number<u64> {
    /// The duration of so many milliseconds.
    ///
    /// # Errors
    /// As [`Number::read`].
    pub fn read_millis(&self, environment: &impl Strings) -> Result<Duration, SettingError> {
        self.read(environment).map(Duration::from_millis)
    }

    /// The duration of so many seconds.
    ///
    /// # Errors
    /// As [`Number::read`].
    pub fn read_seconds(&self, environment: &impl Strings) -> Result<Duration, SettingError> {
        self.read(environment).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Number<usize> = Number::new("BATCH", 16, 1..=1024);
    const TIMEOUT_MS: Number<u64> = Number::new("TIMEOUT_MS", 30_000, 1..=u64::MAX);

    #[test]
    fn an_unset_or_empty_number_is_the_default() {
        assert_eq!(BATCH.read(&[]), Ok(16));
        assert_eq!(BATCH.read(&[("BATCH", "")]), Ok(16));
        assert_eq!(BATCH.read_if_set(&[("BATCH", "")]), Ok(None));
        assert_eq!(BATCH.read(&[("BATCH", "1024")]), Ok(1024));
        assert_eq!(TIMEOUT_MS.read_millis(&[]), Ok(Duration::from_secs(30)));
    }

    #[test]
    fn a_number_out_of_range_is_named_with_its_variable_and_its_range() {
        for value in ["0", "1025", "-1", "many", "1.5", " 1", "18446744073709551616"] {
            let error = BATCH.read(&[("BATCH", value)]).unwrap_err().to_string();
            let expected = format!("BATCH is `{value}`; expected a whole number from 1 to 1024");
            assert_eq!(error, expected);
        }
        let error = TIMEOUT_MS.read_seconds(&[("TIMEOUT_MS", "0")]).unwrap_err().to_string();
        assert_eq!(error, "TIMEOUT_MS is `0`; expected a whole number of at least 1");
    }
}
