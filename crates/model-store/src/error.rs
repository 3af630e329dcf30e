//! Why a bundle cannot be served.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use glimpse_classifier::{BundleError, ClassifyError, LoadError as ModelError, OpenError};
use tokio::task::JoinError;

use crate::digest::Sha256Digest;

/// What the file system or S3 said, shared by everybody who waited for the load.
type Cause = Arc<dyn Error + Send + Sync>;

/// Why a load failed. Cheap to clone: every caller that waited for the load gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The file or object does not exist.
    #[error("{what} does not exist; publish a bundle there or correct GLIMPSE_MODEL_URI")]
    Missing {
        /// Path or `s3://` URI.
        what: String,
        /// What the file system or S3 said.
        source: Cause,
    },
    /// The path of a bundle's folder leads to a file.
    #[error("cannot read {what}: a file is in the place of the folder; name the bundle's folder")]
    NotAFolder {
        /// Path of the file of the bundle that was looked for.
        what: String,
        /// What the file system said.
        source: Cause,
    },
    /// No bundle can be read from such a place.
    #[error("cannot read {what}: {source}")]
    Unsupported {
        /// The `s3://` URI.
        what: String,
        /// Why not.
        source: Cause,
    },
    /// Network, permissions, throttling, a disk.
    #[error("cannot read {what}: {source}")]
    Unreachable {
        /// Path or `s3://` URI.
        what: String,
        /// What the file system or S3 said.
        source: Cause,
    },
    /// The object was replaced while it was read, twice in a row.
    #[error("{what} changed while it was read; bundles are immutable, publish under a new prefix")]
    Changed {
        /// The `s3://` URI.
        what: String,
        /// What S3 said.
        source: Cause,
    },
    /// The content is not what was promised.
    #[error("{file} has sha256 {found}; {promised_by} says {expected}")]
    Checksum {
        /// Which file of the bundle.
        file: &'static str,
        /// Of what was read.
        found: Sha256Digest,
        /// What was promised.
        expected: String,
        /// What promised it.
        promised_by: &'static str,
    },
    /// The size is not what was promised.
    #[error("{file} has {found} bytes; bundle.json says {expected}")]
    Size {
        /// Which file of the bundle.
        file: &'static str,
        /// As the source says.
        found: u64,
        /// As `bundle.json` says.
        expected: u64,
    },
    /// Over the limit; refused before any memory is allocated.
    #[error("{what} has {bytes} bytes; the limit is {limit} (GLIMPSE_MAX_MODEL_BYTES for a model)")]
    TooLarge {
        /// Path or `s3://` URI.
        what: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// `bundle.json` or `labels.txt` is not of the documented form.
    #[error(transparent)]
    Bundle(#[from] Arc<BundleError>),
    /// ONNX Runtime refuses the model.
    #[error(transparent)]
    Model(#[from] Arc<ModelError>),
    /// The model loads, but fails on a plain picture.
    #[error("the model fails on a plain picture: {0}")]
    Trial(#[source] Arc<ClassifyError>),
    /// It did not pass its trial in another process.
    #[error(transparent)]
    Tried(#[from] Arc<TrialError>),
    /// The same bundle took too long before, to load or to answer.
    #[error("bundle {digest} did not load or answer in time before; publish another one")]
    GivenUp {
        /// Of its `bundle.json`.
        digest: Sha256Digest,
    },
    /// There is no memory for a second model beside the one that is served.
    #[error("the bundle needs about {needed} bytes beside the one that is served; {free} are free")]
    NoRoom {
        /// Estimate for its model.
        needed: u64,
        /// What the process may still take.
        free: u64,
    },
    /// ONNX Runtime itself cannot be used.
    #[error(transparent)]
    Runtime(#[from] Arc<OpenError>),
    /// Not done in time.
    #[error("the bundle was not loaded within {limit:?} (GLIMPSE_LOAD_TIMEOUT_MS)")]
    Deadline {
        /// The time allowed.
        limit: Duration,
    },
    /// The process is shutting down, or a stage of the load panicked.
    #[error("the load was interrupted: {0}")]
    Interrupted(#[source] Arc<JoinError>),
}

/// The kinds of failure that a caller may want to distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// There is no bundle at the URI.
    Missing,
    /// It may be there, but cannot be read now.
    Unreachable,
    /// It is there and is not what was promised.
    Integrity,
    /// It is what was promised and cannot be served.
    Invalid,
    /// There was not enough time.
    Deadline,
}

impl LoadError {
    /// For `map_err` on a task's end.
    pub(crate) fn interrupted(error: JoinError) -> Self {
        Self::Interrupted(Arc::new(error))
    }

    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Missing { .. } => FailureKind::Missing,
            Self::Unreachable { .. } | Self::NotAFolder { .. } | Self::Interrupted(_) => {
                FailureKind::Unreachable
            }
            Self::Tried(error) => match **error {
                TrialError::NoProcess(_) => FailureKind::Unreachable,
                TrialError::Failed(_) | TrialError::Ended { .. } => FailureKind::Invalid,
            },
            Self::Changed { .. } | Self::Checksum { .. } | Self::Size { .. } => {
                FailureKind::Integrity
            }
            Self::Unsupported { .. }
            | Self::TooLarge { .. }
            | Self::Bundle(_)
            | Self::Model(_)
            | Self::Trial(_)
            | Self::GivenUp { .. }
            | Self::NoRoom { .. }
            | Self::Runtime(_) => FailureKind::Invalid,
            Self::Deadline { .. } => FailureKind::Deadline,
        }
    }
}

/// Why a bundle did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It cannot be loaded or run.
    #[error("the bundle failed its trial: {0}")]
    Failed(String),
    /// The process ended before it could say anything.
    #[error(
        "the bundle ended the process that tried it ({status}): it needs more than the {bytes} bytes \
         that are free, or breaks ONNX Runtime"
    )]
    Ended {
        /// How.
        status: String,
        /// What it could take.
        bytes: u64,
    },
    /// There is no such process.
    #[error("the bundle cannot be tried: {0}")]
    NoProcess(#[from] io::Error),
}

impl From<TrialError> for LoadError {
    fn from(error: TrialError) -> Self {
        Self::Tried(Arc::new(error))
    }
}
