//! A JSON list that keeps no more than a batch can have, however long it is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::config::MAX_BATCH;
use crate::problem::Problem;

/// The first elements of a list, and how many it had.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    kept: Vec<T>,
    count: usize,
}

impl<T> Bounded<T> {
    /// The elements, if there is one at least and no more than `limit` (at most [`MAX_BATCH`]).
    pub(crate) fn batch(self, limit: usize) -> Result<Vec<T>, Problem> {
        match self.count {
            0 => Err(Problem::MissingImage),
            count if count > limit => Err(Problem::BatchTooLarge { count, limit }),
            _ => Ok(self.kept),
        }
    }

    /// All elements, if there are no more than `limit` (at most [`MAX_BATCH`]).
    pub(crate) fn at_most(self, limit: usize) -> Option<Vec<T>> {
        (self.count <= limit).then_some(self.kept)
    }

    /// The element, if there is exactly one.
    pub(crate) fn exactly_one(mut self) -> Option<T> {
        if self.count == 1 { self.kept.pop() } else { None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

struct Elements<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
    type Value = Bounded<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounded<T>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MAX_BATCH {
            match list.next_element()? {
                Some(element) => kept.push(element),
                None => return Ok(Bounded { count: kept.len(), kept }),
            }
        }
        let mut count = kept.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Bounded { kept, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(json: &str) -> Bounded<u8> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_batch_has_one_element_at_least_and_no_more_than_the_limit() {
        assert_eq!(list("[1, 2]").batch(2).unwrap(), [1, 2]);
        assert!(matches!(list("[]").batch(2), Err(Problem::MissingImage)));
        let refused = list("[1, 2, 3]").batch(2);
        assert!(matches!(refused, Err(Problem::BatchTooLarge { count: 3, limit: 2 })));
    }

    #[test]
    fn a_long_list_is_counted_but_not_kept() {
        let long = list(&format!("[{}0]", "0,".repeat(100_000)));
        assert_eq!((long.kept.len(), long.count), (MAX_BATCH, 100_001));
    }

    #[test]
    fn exactly_one_refuses_none_and_two() {
        assert_eq!(list("[7]").exactly_one(), Some(7));
        assert_eq!(list("[]").exactly_one(), None);
        assert_eq!(list("[7, 8]").exactly_one(), None);
    }
}
