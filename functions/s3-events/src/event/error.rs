//! Why an event cannot be read.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::key::InvalidKey;
use crate::sequencer::InvalidSequencer;

/// An event that cannot be read. The text holds nothing of the event: it may be anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// None of the forms.
    #[error(
        "unsupported event; expected an S3 notification (direct, in SQS messages or in SNS \
         messages), an event of S3 or of CloudTrail through EventBridge, or an S3 Batch Operations \
         task"
    )]
    Unsupported,
    /// Of a known form, but something is missing or of the wrong type.
    #[error("the event looks like {0}, but its members are not as AWS documents them")]
    Malformed(&'static str),
    /// Not JSON.
    #[error("the message's body is not JSON")]
    NotJson,
    /// Of a version of S3 Batch Operations' schema that is not known.
    #[error("the schema version is unknown; expected 1.0 or 2.0")]
    SchemaVersion,
    /// A bucket without a name.
    #[error("a bucket's name is empty")]
    NoBucket,
    /// Not a key.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// Not a sequencer.
    #[error(transparent)]
    Sequencer(#[from] InvalidSequencer),
}

/// Read `event` as a `T`, which AWS documents as `form`.
pub(super) fn parse<T: DeserializeOwned>(
    event: Value,
    form: &'static str,
) -> Result<T, EventError> {
    serde_json::from_value(event).map_err(|_| EventError::Malformed(form))
}
