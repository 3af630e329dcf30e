//! Every error that a caller can get, and the only place that decides its status.
//!
//! A handler returns a [`Problem`]; the router of its protocol renders it ([`form`]).

mod form;
mod mangled;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use glimpse_classifier::ClassifyError;
use http::{HeaderValue, StatusCode};

pub(crate) use form::{Code, Details, ErrorMessage, as_error_message, as_problem_details};
pub(crate) use mangled::Mangled;

/// Seconds after which a client may try again when something is unavailable.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// Every error that a caller can get; `Display` is the `detail`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The body is not JSON.
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    /// There is no picture in the request.
    #[error(
        "the request holds no image; send image_data, image, images or s3, the bytes of an image, or a form with a file"
    )]
    MissingImage,
    /// A picture's text is not base64.
    #[error("the image is not valid base64: {0}")]
    InvalidBase64(String),
    /// A parameter has a value that cannot be used.
    #[error("{0}")]
    InvalidParameter(String),
    /// The body is too long.
    #[error("the body is larger than {limit} bytes (GLIMPSE_MAX_BODY_BYTES)")]
    PayloadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body alone needs more memory than all bodies may take.
    #[error(
        "the body needs more memory than the {budget} bytes for bodies (GLIMPSE_MEMORY_BUDGET)"
    )]
    BodyOverBudget {
        /// For all bodies, in bytes.
        budget: u64,
    },
    /// The object in S3 is too long.
    #[error("the object is larger than {limit} bytes (GLIMPSE_MAX_OBJECT_BYTES)")]
    ObjectTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The announced upload is too long.
    #[error(
        "an upload may have {limit} bytes (GLIMPSE_MAX_UPLOAD_BYTES, GLIMPSE_MAX_OBJECT_BYTES)"
    )]
    UploadTooLarge {
        /// The lower of both limits in bytes.
        limit: usize,
    },
    /// The answer would be longer than the platform takes.
    #[error(
        "the answer would be larger than {limit} bytes; ask for fewer images, overlays or a shorter id"
    )]
    AnswerTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The picture cannot be decoded, or the model cannot do what the options ask for.
    #[error(transparent)]
    Refused(ClassifyError),
    /// Too many pictures.
    #[error("the batch has {count} images; the limit is {limit} (GLIMPSE_MAX_BATCH)")]
    BatchTooLarge {
        /// Pictures in the request.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The pictures of a batch have too many pixels together.
    #[error("the batch has {pixels} pixels; the limit is {limit} (GLIMPSE_MAX_REQUEST_PIXELS)")]
    TooManyPixels {
        /// In all pictures.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// The pictures of a batch would take too long together.
    #[error("decoding these images would take more than {limit:?}; send fewer or smaller ones")]
    TooMuchTime {
        /// The time allowed.
        limit: std::time::Duration,
    },
    /// The body is neither JSON nor a picture.
    #[error(
        "the content type is {0}; send application/json, image/*, multipart/form-data or application/octet-stream"
    )]
    UnsupportedMediaType(String),
    /// The body is compressed in a way that is not read.
    #[error("the content encoding is {0}; send gzip, deflate or the plain body")]
    UnsupportedEncoding(String),
    /// The body is not compressed as it says.
    #[error("the body cannot be unpacked: it is broken, or not of its content encoding")]
    InvalidEncoding,
    /// The body is not the bytes of a picture any more.
    #[error("{}", .0.advice())]
    Mangled(Mangled),
    /// No such route or model.
    #[error("no such route; GET /openapi.json lists the routes")]
    NotFound,
    /// A route that this installation lacks a bucket for.
    #[error("uploads are not configured here (GLIMPSE_UPLOADS_BUCKET and GLIMPSE_RESULTS_BUCKET)")]
    NoUploads,
    /// The model has another name or version.
    #[error("no such model; this server has {name}, version {version}")]
    UnknownModel {
        /// What the model is called.
        name: String,
        /// Its version.
        version: String,
    },
    /// The route exists, for another method.
    #[error("this method is not allowed here; the Allow header lists those that are")]
    MethodNotAllowed,
    /// The bundle cannot be fetched or verified. The reason is in the log, not in the answer.
    #[error("the model cannot be loaded at the moment; try again")]
    ModelUnavailable,
    /// The object in S3 cannot be reached.
    #[error("the object cannot be read from S3 at the moment; try again")]
    ObjectUnavailable,
    /// The server requires a token, and the request has none or a wrong one.
    #[error("this server needs a token; send it as `Authorization: Bearer …`")]
    Unauthorized,
    /// The request is for another host.
    #[error("this server is not asked for under this name (GLIMPSE_HOSTS)")]
    UnknownHost,
    /// The connection broke off within the body, or its chunks are malformed.
    #[error("the body broke off before its end; send it again")]
    IncompleteBody,
    /// The body did not arrive in time.
    #[error("the body did not arrive within {limit:?} (GLIMPSE_BODY_TIMEOUT_MS)")]
    SlowBody {
        /// The time allowed.
        limit: std::time::Duration,
    },
    /// As many requests as may wait are waiting.
    #[error("too many requests are waiting (GLIMPSE_QUEUE); try again")]
    Overloaded,
    /// The memory for bodies is taken.
    #[error("too many request bodies are in memory (GLIMPSE_MEMORY_BUDGET); try again")]
    BodiesFull,
    /// The answer was not there in time.
    #[error(
        "the answer was not ready within {limit:?} \
         (GLIMPSE_REQUEST_TIMEOUT_MS at the edge, the function's timeout on Lambda); try again"
    )]
    TimedOut {
        /// The time allowed.
        limit: std::time::Duration,
    },
    /// Anything else. The reason is in the log, under the request id.
    #[error("internal error, not caused by the request; quote the request id")]
    Internal,
}

impl Problem {
    /// Status, stable code and title.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson(_) => (S::BAD_REQUEST, "invalid_json", "Invalid JSON"),
            Self::MissingImage => (S::BAD_REQUEST, "missing_image", "Missing image"),
            Self::InvalidBase64(_) => (S::BAD_REQUEST, "invalid_base64", "Invalid base64"),
            Self::InvalidParameter(_) | Self::InvalidEncoding => {
                (S::BAD_REQUEST, "invalid_parameter", "Invalid parameter")
            }
            Self::Mangled(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_image_format", "Unsupported image format")
            }
            Self::IncompleteBody => (S::BAD_REQUEST, "incomplete_body", "Incomplete body"),
            Self::PayloadTooLarge { .. }
            | Self::BodyOverBudget { .. }
            | Self::ObjectTooLarge { .. }
            | Self::UploadTooLarge { .. }
            | Self::AnswerTooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large")
            }
            Self::BatchTooLarge { .. } | Self::TooManyPixels { .. } | Self::TooMuchTime { .. } => {
                (S::PAYLOAD_TOO_LARGE, "batch_too_large", "Batch too large")
            }
            Self::UnsupportedMediaType(_) | Self::UnsupportedEncoding(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            }
            Self::Refused(error) => refused(error),
            Self::NotFound | Self::NoUploads | Self::UnknownModel { .. } => {
                (S::NOT_FOUND, "not_found", "Not found")
            }
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            }
            Self::ModelUnavailable => {
                (S::SERVICE_UNAVAILABLE, "model_unavailable", "Model unavailable")
            }
            Self::ObjectUnavailable => {
                (S::SERVICE_UNAVAILABLE, "object_unavailable", "Object unavailable")
            }
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::UnknownHost => (S::MISDIRECTED_REQUEST, "unknown_host", "Unknown host"),
            Self::SlowBody { .. } => (S::REQUEST_TIMEOUT, "slow_body", "Request body timed out"),
            Self::Overloaded | Self::BodiesFull => {
                (S::SERVICE_UNAVAILABLE, "overloaded", "Overloaded")
            }
            Self::TimedOut { .. } => (S::SERVICE_UNAVAILABLE, "timed_out", "Timed out"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// This error of a picture, or what happened to the picture on its way here.
    pub(crate) fn or_mangled(self, found: Option<Mangled>) -> Self {
        match (self, found) {
            (Self::Refused(error), Some(mangled)) if error.is_bad_picture() => {
                Self::Mangled(mangled)
            }
            (problem, _) => problem,
        }
    }

    fn status(&self) -> StatusCode {
        self.row().0
    }

    /// The stable code, for logs and records.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }
}

/// Only the status, with the problem in the extensions: the router of the protocol writes its form.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<ClassifyError> for Problem {
    fn from(error: ClassifyError) -> Self {
        if error.is_internal() { Self::Internal } else { Self::Refused(error) }
    }
}

/// Status, code and title of what the classifier refuses.
fn refused(error: &ClassifyError) -> (StatusCode, &'static str, &'static str) {
    use ClassifyError as E;
    use StatusCode as S;
    let (status, title) = match error {
        E::UnsupportedFormat
        | E::FormatNotAccepted { .. }
        | E::FormatNotBuilt { .. }
        | E::UnsupportedVariant { .. } => (S::UNSUPPORTED_MEDIA_TYPE, "Unsupported image format"),
        E::ImageTooLarge { .. } | E::TooMuchMemory { .. } | E::TooMuchTime { .. } => {
            (S::PAYLOAD_TOO_LARGE, "Image too large")
        }
        E::Corrupt { .. } => (S::UNPROCESSABLE_ENTITY, "Corrupt image"),
        E::InvalidPixels { .. }
        | E::NoClassMaps
        | E::NoEmbedding
        | E::NoSuchPage { .. }
        | E::NotAmongTheBest { .. } => (S::BAD_REQUEST, "Invalid parameter"),
        E::Head(_) => (S::SERVICE_UNAVAILABLE, "Model unavailable"),
        E::Overlay(_) | E::Inference(_) | E::NotFinite | E::OutputShape { .. } => {
            (S::INTERNAL_SERVER_ERROR, "Internal error")
        }
    };
    (status, error.code(), title)
}
