//! Why objects and events fail.

use glimpse_classifier::ClassifyError;
use glimpse_model_store::LoadError;
use glimpse_objects::ObjectError;
use tokio::task::JoinError;

use crate::event::EventError;

/// Why an object was not processed; nothing was written. No text holds a key.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The bundle cannot be fetched or verified.
    #[error("the model cannot be loaded: {0}")]
    ModelUnavailable(#[from] LoadError),
    /// The bucket that the event names does not exist.
    #[error("the bucket `{bucket}` does not exist")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
        /// What S3 said.
        source: ObjectError,
    },
    /// The bucket is one of S3 Express One Zone.
    #[error("the bucket `{bucket}` cannot be read: {source}")]
    DirectoryBucket {
        /// Its name.
        bucket: String,
        /// Why not.
        source: ObjectError,
    },
    /// S3 throttles, or cannot be reached.
    #[error("the object cannot be read from S3 at the moment: {0}")]
    SourceUnreachable(#[source] ObjectError),
    /// S3 refuses: permissions, or an archived object.
    #[error("the object may not be read ({0}); the function needs s3:GetObject and s3:ListBucket")]
    SourceDenied(#[source] ObjectError),
    /// The results bucket cannot be read or written.
    #[error("the results bucket cannot be read or written: {0}")]
    ResultsUnavailable(#[source] ObjectError),
    /// S3 gave a result without an `ETag`, so nothing can be written over it.
    #[error("the results bucket gives no ETags")]
    ResultWithoutEtag,
    /// Others wrote the same result again and again.
    #[error("the result was overwritten again and again by others")]
    Contended,
    /// The key of the result would be over S3's limit.
    #[error("the key is so long that its result's key would be over 1024 bytes")]
    KeyTooLong,
    /// The invocation has no time left.
    #[error("there was not enough time left in this invocation")]
    Deadline,
    /// The model failed on it, not the picture.
    #[error("the model failed: {0}")]
    Model(#[source] ClassifyError),
    /// A picture ended its thread, which nothing should cause.
    #[error("a classification did not end: {0}")]
    Interrupted(#[from] JoinError),
    /// A result cannot be written as JSON, which nothing should cause.
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The process is shutting down.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl Failure {
    /// The stable code, for metrics and for results of S3 Batch Operations.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ModelUnavailable(_) => "model_unavailable",
            Self::NoSuchBucket { .. } => "no_such_bucket",
            Self::DirectoryBucket { .. } => "directory_bucket",
            Self::SourceUnreachable(_) | Self::SourceDenied(_) => "object_unavailable",
            Self::ResultsUnavailable(_) | Self::ResultWithoutEtag => "results_unavailable",
            Self::Contended => "contended",
            Self::KeyTooLong => "key_too_long",
            Self::Deadline => "deadline",
            Self::Model(_) | Self::Interrupted(_) | Self::Json(_) | Self::ShuttingDown => {
                "internal"
            }
        }
    }

    /// Whether it will be no better the next time.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::KeyTooLong
                | Self::NoSuchBucket { .. }
                | Self::DirectoryBucket { .. }
                | Self::SourceDenied(_)
                | Self::Model(_)
        )
    }
}

/// An invocation failed: Lambda sends the event again, and results that were written stay.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some of its objects failed.
    #[error("{failed} of {objects} objects failed, the first because {first}")]
    Objects {
        /// How many failed.
        failed: usize,
        /// How many there were.
        objects: usize,
        /// Why the first of them did.
        #[source]
        first: Failure,
    },
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Answer(#[from] serde_json::Error),
}
