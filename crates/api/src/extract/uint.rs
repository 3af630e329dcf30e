//! A whole number in JSON. `5.0` is one too: JSON Schema counts it as an integer.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// 2^53: from here on, a float does not hold every whole number.
const FLOATS_END: f64 = 9_007_199_254_740_992.0;

/// At least zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UInt(pub(crate) u64);

impl<'de> Deserialize<'de> for UInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = UInt;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number from 0")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<UInt, E> {
        Ok(UInt(number))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked above.
    fn visit_f64<E: Error>(self, number: f64) -> Result<UInt, E> {
        if number.fract() == 0.0 && (0.0..FLOATS_END).contains(&number) {
            return Ok(UInt(number as u64));
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_zero_is_accepted_and_others_are_refused() {
        let read = serde_json::from_str::<UInt>;
        for (text, number) in [("5", 5), ("5.0", 5), ("2e2", 200), ("0", 0)] {
            assert_eq!(read(text).unwrap(), UInt(number), "{text}");
        }
        for text in ["5.5", "-1", "-1.0", "1e300", "\"5\"", "true", "null"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
