//! What a notification reports: objects to classify, and events that are left out.

use std::fmt;

use crate::key::InvalidKey;
use crate::object::Object;
use crate::sequencer::Sequencer;

use super::error::EventError;

/// The content of a notification.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Objects that can be read from now on.
    pub objects: Vec<Object>,
    /// Events that give nothing to classify, such as deletions.
    pub left_out: Vec<EventName>,
}

/// The name of an event, safe to log: letters, digits and a little punctuation, not too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName(String);

const MAX_NAME: usize = 64;

impl EventName {
    pub(super) fn new(name: &str) -> Self {
        let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | ' ' | '_' | '-');
        match (1..=MAX_NAME).contains(&name.len()) && name.chars().all(harmless) {
            true => Self(name.to_owned()),
            false => Self("unknown".to_owned()),
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Notice {
    /// One object.
    pub(super) fn of(object: Object) -> Self {
        Self { objects: vec![object], left_out: Vec::new() }
    }

    /// One event that gives nothing to classify.
    pub(super) fn leave_out(name: &str) -> Self {
        Self { objects: Vec::new(), left_out: vec![EventName::new(name)] }
    }

    /// Both contents.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.objects.extend(other.objects);
        self.left_out.extend(other.left_out);
        self
    }
}

/// An object as an event's members describe it; `key` is decoded already.
pub(super) fn object(
    bucket: String,
    key: String,
    version_id: Option<String>,
    etag: Option<String>,
    sequencer: Option<String>,
) -> Result<Object, EventError> {
    if bucket.is_empty() {
        return Err(EventError::NoBucket);
    }
    let sequencer = non_empty(sequencer).as_deref().map(Sequencer::parse).transpose()?;
    let etag = non_empty(etag).map(|tag| tag.trim_matches('"').to_owned());
    Ok(Object { bucket, key, version_id: non_empty(version_id), etag, sequencer })
}

/// A key that an event holds as it is, not encoded.
pub(super) fn plain_key(key: String) -> Result<String, InvalidKey> {
    if key.is_empty() { Err(InvalidKey) } else { Ok(key) }
}

/// Where there is no version or tag, some senders write an empty one.
pub(super) fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
