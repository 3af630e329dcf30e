//! Where pictures come from: files, standard input, objects in S3.

mod expand;
mod object;
mod read;

use std::fmt;
use std::path::{Path, PathBuf};

use glimpse_classifier::ClassifyError;

pub use expand::{Item, expand, pictures_in};
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

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
            Self::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// Why a picture has no label.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such file or object.
    #[error("there is no such file or object")]
    NotFound,
    /// An address of the web.
    #[error("it is no file: download it, or name an object as s3://bucket/key")]
    Remote,
    /// A glob or prefix that nothing fits.
    #[error("nothing fits it")]
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
    /// Read, but no picture that can be classified.
    #[error("{detail}")]
    Picture {
        /// The classifier's code.
        code: &'static str,
        /// What the classifier says.
        detail: String,
    },
    /// A decoder panicked, which nothing should make it do.
    #[error("something went wrong that is not the picture's fault")]
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
            Self::TooLarge { .. } => "payload_too_large",
            Self::Picture { code, .. } => code,
            Self::Internal => "internal",
        }
    }
}

impl From<ClassifyError> for Failure {
    fn from(error: ClassifyError) -> Self {
        Self::Picture { code: error.code(), detail: error.to_string() }
    }
}

/// Whether the name is a picture's, and not hidden: temporary files of other programs are.
pub fn is_picture(path: &Path) -> bool {
    const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    !is_hidden(path) && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Whether the name begins with a dot.
pub fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
