//! Where pictures come from: files, standard input, objects in S3.

mod expand;
mod left_out;
mod names;
mod object;
mod read;

use std::path::PathBuf;

use glimpse_budget::OverBudget;
use glimpse_classifier::ClassifyError;

use crate::name::Name;

pub use expand::{expand, is_inside, pictures_in};
pub use left_out::LeftOut;
pub use names::{is_hidden, is_picture};
pub use object::Bucket;
pub use read::{read, read_file};

/// One picture, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input, to its end.
    Stdin,
    /// A file.
    File(PathBuf),
    /// An object in S3.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
    },
}

impl Source {
    /// What the picture is called in its record.
    pub fn name(&self) -> Name {
        match self {
            Self::Stdin => "-".to_owned().into(),
            Self::File(path) => path.as_path().into(),
            Self::Object { bucket, key } => format!("s3://{bucket}/{key}").into(),
        }
    }
}

/// A picture, or the name of something that is not one and the reason.
pub type Item = Result<Source, (Name, Failure)>;

/// Why a picture has no label.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such file or object.
    #[error("there is no such file or object")]
    NotFound,
    /// An address of the web.
    #[error("URLs are not supported: download the file, or name an object as s3://bucket/key")]
    Remote,
    /// A glob or prefix without a match.
    #[error("no file or object matches")]
    NoMatch,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// Over the limit.
    #[error("it is larger than {limit} bytes (GLIMPSE_MAX_FILE_BYTES)")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// More than the memory for files.
    #[error("it is larger than the {budget} bytes of memory for files (GLIMPSE_MEMORY_BUDGET)")]
    OverBudget {
        /// For all files, in bytes.
        budget: u64,
    },
    /// Read, but no picture that can be classified.
    #[error("{detail}")]
    Picture {
        /// The classifier's code.
        code: &'static str,
        /// What the classifier says.
        detail: String,
    },
    /// A decoder panicked: a defect of this program.
    #[error("internal error; the picture is not at fault")]
    Internal,
}

impl Failure {
    /// A stable code; the API's where the API has one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Remote => "not_found",
            Self::NoMatch => "no_match",
            Self::Unreadable(_) => "unreadable",
            Self::Empty => "missing_image",
            Self::TooLarge { .. } | Self::OverBudget { .. } => "payload_too_large",
            Self::Picture { code, .. } => code,
            Self::Internal => "internal",
        }
    }
}

impl From<OverBudget> for Failure {
    fn from(OverBudget { budget }: OverBudget) -> Self {
        Self::OverBudget { budget }
    }
}

impl From<ClassifyError> for Failure {
    fn from(error: ClassifyError) -> Self {
        Self::Picture { code: error.code(), detail: error.to_string() }
    }
}
