//! What an error of S3 means: decided here and nowhere else.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::primitives::ByteStreamError;

use crate::location::Version;

/// Why an object was not read or written. No text names bucket or key: keys may be private, and the
/// caller knows them.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No such object, or the version that was asked for is a deletion.
    #[error("the object does not exist ({source})")]
    NotFound {
        /// What S3 said.
        source: Cause,
    },
    /// No such bucket.
    #[error("the bucket does not exist ({source})")]
    NoSuchBucket {
        /// What S3 said.
        source: Cause,
    },
    /// The bucket is one of S3 Express One Zone, which asks for sessions; no request was made.
    #[error(
        "directory buckets (S3 Express One Zone) are not supported; use a general purpose bucket"
    )]
    DirectoryBucket,
    /// Permissions. Without `s3:ListBucket`, S3 answers so for an object that does not exist, too.
    #[error("access is denied; without s3:ListBucket a missing object reads so too ({source})")]
    Forbidden {
        /// What S3 said.
        source: Cause,
    },
    /// The object is archived and has to be restored before it can be read.
    #[error("the object is archived; restore it first ({source})")]
    Archived {
        /// What S3 said.
        source: Cause,
    },
    /// It is not the version that was asked for, or a write's condition does not hold.
    #[error("the object has changed ({source})")]
    Changed {
        /// What S3 said.
        source: Cause,
    },
    /// Longer than the limit. Nothing was kept.
    #[error("the object is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Its size as S3 announced it, or what had arrived when that was over the limit.
        bytes: u64,
        /// Which version it is.
        found: Version,
    },
    /// It has no bytes, and a range of them was asked for.
    #[error("the object is empty ({source})")]
    Empty {
        /// What S3 said.
        source: Cause,
    },
    /// S3 takes no such bucket name or key.
    #[error("not a bucket name and key that S3 takes ({source})")]
    InvalidName {
        /// What S3 or its SDK said.
        source: Cause,
    },
    /// S3 refuses the request for another reason, and will again.
    #[error("S3 refuses the request: {source}")]
    Refused {
        /// What S3 said.
        source: Cause,
    },
    /// Network, throttling, a fault of S3: may be better the next time.
    #[error("S3 cannot be reached at the moment: {source}")]
    Unavailable {
        /// What S3 or the network said.
        source: Cause,
    },
}

impl ObjectError {
    /// What S3, its SDK or the network said.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::DirectoryBucket | Self::TooLarge { .. } => None,
            Self::NotFound { source }
            | Self::NoSuchBucket { source }
            | Self::Forbidden { source }
            | Self::Archived { source }
            | Self::Changed { source }
            | Self::Empty { source }
            | Self::InvalidName { source }
            | Self::Refused { source }
            | Self::Unavailable { source } => Some(source),
        }
    }

    /// An answer that contradicts the protocol.
    pub(crate) fn protocol(text: String) -> Self {
        Self::Unavailable { source: Cause { status: None, code: None, text, source: None } }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for ObjectError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        // The SDK makes no request of a name that cannot be one, such as an empty key.
        let built = !matches!(error, SdkError::ConstructionFailure(_));
        let source = Cause::from(error);
        match source.code() {
            _ if !built => return Self::InvalidName { source },
            Some("NoSuchBucket") => return Self::NoSuchBucket { source },
            Some("InvalidObjectState") => return Self::Archived { source },
            Some("KeyTooLongError" | "InvalidBucketName" | "InvalidURI") => {
                return Self::InvalidName { source };
            }
            Some("SlowDown" | "RequestTimeout" | "RequestTimeTooSkewed" | "ExpiredToken") => {
                return Self::Unavailable { source };
            }
            _ => {}
        }
        match source.status {
            // 405: the version is a deletion.
            Some(404 | 405) => Self::NotFound { source },
            // 409: another write of the same key is on its way.
            Some(409 | 412) => Self::Changed { source },
            Some(401 | 403) => Self::Forbidden { source },
            Some(416) => Self::Empty { source },
            Some(408 | 429 | 500..) | None => Self::Unavailable { source },
            Some(_) => Self::Refused { source },
        }
    }
}

impl From<ByteStreamError> for ObjectError {
    fn from(error: ByteStreamError) -> Self {
        Self::Unavailable { source: Cause::of(error) }
    }
}

/// What S3 said, in one line: its code and message with the id that AWS's support asks for, or why
/// it did not answer.
#[derive(Debug)]
pub struct Cause {
    status: Option<u16>,
    code: Option<String>,
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Cause {
    /// The HTTP status, if S3 answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// S3's error code, if it sent one; the answer to HEAD has none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// An error that S3 had no part in.
    pub(crate) fn of(error: impl Error + Send + Sync + 'static) -> Self {
        let text = causes(&error);
        Self { status: None, code: None, text, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Cause
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code().map(str::to_owned);
        let text = match (&code, error.message(), status) {
            (Some(code), message, _) => {
                let message = message.map(|message| format!(": {message}")).unwrap_or_default();
                let id = error.request_id().map(|id| format!(" (request {id})"));
                format!("{code}{message}{}", id.unwrap_or_default())
            }
            (None, _, Some(status @ 400..)) => format!("HTTP status {status}"),
            _ => causes(&error),
        };
        Self { status, code, text, source: Some(Box::new(error)) }
    }
}

/// The error and what caused it, each said once.
fn causes(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in successors(Some(error), |error: &&dyn Error| (*error).source()) {
        let text = cause.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
