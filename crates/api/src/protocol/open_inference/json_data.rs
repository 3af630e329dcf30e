//! A tensor's `data` in JSON: a list, flat or nested, of no more values than its shape has.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// A value of a tensor, from the JSON that stands for it.
pub(super) trait Element<'de>: Sized {
    const EXPECTED: &'static str;

    fn number(_: u64) -> Option<Self> {
        None
    }

    fn text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
}

impl Element<'_> for u8 {
    const EXPECTED: &'static str = "numbers from 0 to 255";

    fn number(number: u64) -> Option<Self> {
        Self::try_from(number).ok()
    }
}

impl<'de> Element<'de> for Cow<'de, str> {
    const EXPECTED: &'static str = "strings";

    fn text(text: Self) -> Option<Self> {
        Some(text)
    }
}

/// Exactly `count` values of `data`, row-major.
pub(super) fn flat<'de, T: Element<'de>>(
    data: &'de RawValue,
    count: usize,
) -> Result<Vec<T>, Problem> {
    let invalid = |message: &str| Problem::InvalidParameter(format!("inputs[0].data: {message}"));
    if !data.get().starts_with('[') {
        return Err(invalid("expected a list"));
    }
    let mut values = Vec::new();
    let list = Flat { values: &mut values, count };
    list.deserialize(&mut serde_json::Deserializer::from_str(data.get()))
        .map_err(|error| invalid(&error.to_string()))?;
    if values.len() == count {
        return Ok(values);
    }
    Err(invalid(&format!("{} values; the shape needs {count}", values.len())))
}

/// Puts what it reads behind `values`, until these are `count`.
struct Flat<'a, T> {
    values: &'a mut Vec<T>,
    count: usize,
}

impl<T> Flat<'_, T> {
    fn push<'de, E: Error>(self, value: Option<T>) -> Result<(), E>
    where
        T: Element<'de>,
    {
        let value = value.ok_or_else(|| E::custom(format_args!("expected {}", T::EXPECTED)))?;
        if self.values.len() == self.count {
            return Err(E::custom(format_args!("more values than the shape's {}", self.count)));
        }
        self.values.push(value);
        Ok(())
    }
}

impl<'de, T: Element<'de>> DeserializeSeed<'de> for Flat<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element<'de>> Visitor<'de> for Flat<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let count = self.count;
        while list.next_element_seed(Flat { values: &mut *self.values, count })?.is_some() {}
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.push(T::number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.push(T::text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.push(T::text(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Element<'de>>(json: &str, count: usize) -> Result<Vec<T>, Problem> {
        flat(&RawValue::from_string(json.to_owned()).unwrap(), count)
    }

    #[test]
    fn flat_and_nested_lists_hold_the_same_values() {
        for json in
            ["[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2]],[[3],[4]]]", "[ 1, [2, [3, 4]], [] ]"]
        {
            assert_eq!(read::<u8>(json, 4).unwrap(), [1, 2, 3, 4], "{json}");
        }
        let strings = RawValue::from_string(r#"["a\/b", "c"]"#.to_owned()).unwrap();
        assert_eq!(flat::<Cow<'_, str>>(&strings, 2).unwrap(), ["a/b", "c"]);
    }

    #[test]
    fn anything_else_is_refused() {
        for json in [
            "[1]",
            "[1,2,3]",
            "[256,1]",
            "[-1,1]",
            "[1.5,1]",
            r#"["1",1]"#,
            "[null,1]",
            "1",
            "{}",
            "[{},1]",
        ] {
            assert!(matches!(read::<u8>(json, 2), Err(Problem::InvalidParameter(_))), "{json}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(RawValue::from_string(deep.clone()).is_err() || read::<u8>(&deep, 2).is_err());
    }
}
