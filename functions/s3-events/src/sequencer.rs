//! The order of the events of one key, as S3 tells it.

use std::cmp::Ordering;

/// Longer than any that S3 gives.
const MAX_DIGITS: usize = 64;

/// A sequencer: of two events for the same key, the one with the greater sequencer came later.
///
/// They are hexadecimal numbers of different lengths, of which the shorter is padded with zeros on
/// its right. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
#[derive(Debug, Clone)]
pub struct Sequencer(String);

/// Not the text of a sequencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sequencer is not 1 to {MAX_DIGITS} hexadecimal digits")]
pub struct InvalidSequencer;

impl Sequencer {
    /// Take the text that an event or a result holds.
    ///
    /// # Errors
    /// When it is empty, long or not hexadecimal.
    pub fn parse(text: &str) -> Result<Self, InvalidSequencer> {
        let hexadecimal = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match hexadecimal && (1..=MAX_DIGITS).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidSequencer),
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> Ordering {
        let digits = self.0.len().max(other.0.len());
        let padded = |sequencer: &Self| {
            let zeros = std::iter::repeat_n(b'0', digits - sequencer.0.len());
            let own = sequencer.0.bytes().map(|digit| digit.to_ascii_uppercase());
            own.chain(zeros).collect::<Vec<u8>>()
        };
        padded(self).cmp(&padded(other))
    }
}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sequencer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_is_padded_on_its_right() {
        let compare =
            |a: &str, b: &str| Sequencer::parse(a).unwrap().cmp(&Sequencer::parse(b).unwrap());
        assert_eq!(compare("0055AED6DCD90281E5", "0055AED6DCD90281E6"), Ordering::Less);
        assert_eq!(compare("0055AED6DCD90281E5", "0055AED6DCD90281E5"), Ordering::Equal);
        assert_eq!(compare("0055AED6DCD90281E5", "0055AED6DD"), Ordering::Less);
        assert_eq!(compare("0055AED6DD", "0055AED6DD00"), Ordering::Equal);
        assert_eq!(compare("00ab", "00AA"), Ordering::Greater);
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        for text in ["", "xyz", "00 1", "é", &"0".repeat(65)] {
            assert_eq!(Sequencer::parse(text).err(), Some(InvalidSequencer), "{text}");
        }
    }
}
