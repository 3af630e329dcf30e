//! The forms of events, detected and read; members that do not matter are not looked at.

pub mod batch;
mod error;
mod eventbridge;
mod message;
mod notice;
mod notification;
pub mod queue;

use serde_json::Value;

pub use error::EventError;
pub use notice::{EventName, Notice};

/// An event, read.
#[derive(Debug)]
pub enum Event {
    /// From S3 itself, SNS or EventBridge: all of it succeeds or is sent again.
    Notification(Notice),
    /// From SQS: each message succeeds or is sent again.
    Queue(Vec<queue::Message>),
    /// From S3 Batch Operations: each task has a result.
    Batch(batch::Job),
}

impl Event {
    /// Read the event that the function was invoked with.
    ///
    /// # Errors
    /// When it is of no supported form. A message or task that cannot be read is an error of its own.
    pub fn read(event: Value) -> Result<Self, EventError> {
        if event.get("tasks").is_some() {
            return Ok(Self::Batch(batch::read(event)?));
        }
        if event["Records"][0]["eventSource"] == "aws:sqs" {
            return Ok(Self::Queue(queue::read(event)?));
        }
        if message::is_of_sns(&event) {
            return Ok(Self::Notification(message::read_sns(event)?));
        }
        Ok(Self::Notification(message::read_content(event)?))
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
