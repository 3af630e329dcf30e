//! The name of an upload and of its result.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

/// Names an upload: 74 random bits, and the time at which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UploadId(Uuid);

/// Not an id that this service makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl UploadId {
    /// Random but for the time. A shared counter would make neighbours guessable.
    pub(super) fn generate() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos());
        Self(Uuid::new_v7(time))
    }

    /// Where the upload goes in its bucket.
    pub(crate) fn key(self) -> String {
        format!("uploads/{self}")
    }

    /// Time since the id was made; `None` if that is further in the future than clocks differ.
    pub(crate) fn age(self) -> Option<Duration> {
        const SKEW: Duration = Duration::from_secs(60);
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let made = UNIX_EPOCH + Duration::new(seconds, nanos);
        let since = (SystemTime::now() + SKEW).duration_since(made).ok()?;
        Some(since.saturating_sub(SKEW))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let id = Self(Uuid::try_parse(text).map_err(|_| NotAnId)?);
        // One spelling of many, so that an id names one object.
        let ours = id.0.get_version_num() == 7 && id.to_string() == text;
        if ours { Ok(id) } else { Err(NotAnId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_knows_its_age() {
        let id = UploadId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.age().unwrap() < Duration::from_secs(60));
        assert_ne!(UploadId::generate(), UploadId::generate());
    }

    #[test]
    fn other_texts_are_refused() {
        let upper = UploadId::generate().to_string().to_uppercase();
        let random = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let long = "a".repeat(10_000);
        for text in ["", "..", "../uploads", random, &long, &format!("{{{upper}}}")] {
            assert_eq!(text.parse::<UploadId>(), Err(NotAnId), "{text}");
        }
    }
}
