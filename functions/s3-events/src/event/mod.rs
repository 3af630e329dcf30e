//! The four shapes of events, told apart and read; what does not matter in them is not looked at.

pub mod batch;
pub mod notification;
pub mod queue;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::key::InvalidKey;
use crate::object::Object;
use crate::sequencer::InvalidSequencer;

/// An event, read.
#[derive(Debug)]
pub enum Event {
    /// From S3 itself or from EventBridge: all of it succeeds or is sent again.
    Notification(Vec<Object>),
    /// From SQS: each message succeeds or is sent again.
    Queue(Vec<queue::Message>),
    /// From S3 Batch Operations: each task has a result.
    Batch(batch::Job),
}

/// An event that cannot be read. The text holds nothing of the event: it may be anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// None of the shapes.
    #[error(
        "the event is of no known shape; expected an S3 notification, S3 notifications in SQS \
         messages, EventBridge's `Object Created` or an S3 Batch Operations task"
    )]
    Unknown,
    /// Of a known shape, but something is missing or of the wrong type.
    #[error("the event looks like {0}, but its members are not as AWS documents them")]
    Malformed(&'static str),
    /// Not JSON.
    #[error("the message's body is not JSON")]
    NotJson,
    /// Of a version of S3 Batch Operations' schema that is not known.
    #[error("the schema version is unknown; expected 1.0 or 2.0")]
    SchemaVersion,
    /// The key is none.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// The sequencer is none.
    #[error(transparent)]
    Sequencer(#[from] InvalidSequencer),
}

impl Event {
    /// Read the event that the function was invoked with.
    ///
    /// # Errors
    /// When it is of no known shape. A message or task that cannot be read is an error of its own.
    pub fn read(event: Value) -> Result<Self, EventError> {
        if event.get("tasks").is_some() {
            return Ok(Self::Batch(batch::read(event)?));
        }
        if event["Records"][0]["eventSource"] == "aws:sqs" {
            return Ok(Self::Queue(queue::read(event)?));
        }
        Ok(Self::Notification(notification::read(event)?))
    }

    /// The trigger's name, for logs.
    #[must_use]
    pub fn trigger(&self) -> &'static str {
        match self {
            Self::Notification(_) => "notification",
            Self::Queue(_) => "queue",
            Self::Batch(_) => "batch",
        }
    }
}

fn typed<T: DeserializeOwned>(event: Value, shape: &'static str) -> Result<T, EventError> {
    serde_json::from_value(event).map_err(|_| EventError::Malformed(shape))
}

/// Where there is no version or tag, some senders write an empty one.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
