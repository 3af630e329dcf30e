//! The state of a file, to see whether it has changed.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Size and time of the last change; a file with another stamp is another picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub bytes: u64,
    /// As exact as the file system is; RFC 3339 in a record.
    #[serde(with = "rfc3339")]
    pub modified: OffsetDateTime,
}

impl Stamp {
    /// Of the file at `path`, if there is one.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        metadata.is_file().then(|| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(date);
        Self { bytes: metadata.len(), modified: modified.unwrap_or(OffsetDateTime::UNIX_EPOCH) }
    }
}

/// A date as text in a record.
mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    pub fn serialize<S: Serializer>(date: &OffsetDateTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&date.format(&Rfc3339).map_err(ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(from)?;
        OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)
    }
}

/// The time as a date that RFC 3339 can name: a file may claim to be from any year.
fn date(time: SystemTime) -> Option<OffsetDateTime> {
    let since = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => Duration::try_from(after).ok()?,
        Err(error) => -Duration::try_from(error.duration()).ok()?,
    };
    let date = OffsetDateTime::UNIX_EPOCH.checked_add(since)?;
    (0..=9999).contains(&date.year()).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_way_through_a_record_to_the_nanosecond() {
        let modified =
            OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_789).unwrap();
        let stamp = Stamp { bytes: 7, modified };
        let text = serde_json::to_string(&stamp).unwrap();
        assert_eq!(text, r#"{"bytes":7,"modified":"2023-11-14T22:13:20.123456789Z"}"#);
        assert_eq!(serde_json::from_str::<Stamp>(&text).unwrap(), stamp);
    }

    #[test]
    fn a_time_past_all_calendars_is_not_a_date() {
        let seconds = |seconds| std::time::Duration::from_secs(seconds);
        let epoch = SystemTime::UNIX_EPOCH;
        assert!(date(epoch - seconds(1)).is_some_and(|date| date.year() == 1969));
        for far in [epoch + seconds(1 << 40), epoch + seconds(1 << 62), epoch - seconds(1 << 40)] {
            assert_eq!(date(far), None, "{far:?}");
        }
    }
}
