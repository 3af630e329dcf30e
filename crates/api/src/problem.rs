//! Errors as RFC 9457 problem details: the one place that knows which status an error gets.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use glimpse_classifier::ClassifyError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::telemetry::RequestId;

/// Seconds after which a client may try again when the model was unavailable.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// Everything a caller can be told went wrong; `Display` is the `detail`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The body is not JSON.
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    /// There is no picture in the request.
    #[error(
        "the request holds no image; send image_data, image, images or s3, or the bytes of an image with an image/* content type"
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
    /// The object in S3 is too long.
    #[error("the object is larger than {limit} bytes (GLIMPSE_MAX_OBJECT_BYTES)")]
    ObjectTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The picture is too large to be decoded.
    #[error(transparent)]
    ImageTooLarge(ClassifyError),
    /// Too many pictures.
    #[error("the batch has {count} images; the limit is {limit} (GLIMPSE_MAX_BATCH)")]
    BatchTooLarge {
        /// Pictures in the request.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is neither JSON nor a picture.
    #[error("the content type is {0}; send application/json or image/*")]
    UnsupportedMediaType(String),
    /// The body is compressed.
    #[error("the content encoding is {0}; send the body uncompressed")]
    UnsupportedEncoding(String),
    /// The picture's format is not decoded.
    #[error(transparent)]
    UnsupportedImageFormat(ClassifyError),
    /// The picture is broken.
    #[error(transparent)]
    CorruptImage(ClassifyError),
    /// No such route or model.
    #[error("there is nothing here; GET /openapi.json lists what there is")]
    NotFound,
    /// A route that this installation lacks a bucket for.
    #[error("uploads are not set up here (GLIMPSE_UPLOADS_BUCKET and GLIMPSE_RESULTS_BUCKET)")]
    NoUploads,
    /// The model has another name or version.
    #[error("there is no such model here; there is {name}, version {version}")]
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
    /// The server asks for a token, and the request has none or another one.
    #[error("this server asks for a token; send it as `Authorization: Bearer …`")]
    Unauthorized,
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
    /// The answer was not there in time.
    #[error("the answer was not ready within {limit:?} (GLIMPSE_REQUEST_TIMEOUT_MS); try again")]
    TimedOut {
        /// The time allowed.
        limit: std::time::Duration,
    },
    /// Anything else. The reason is in the log, under the request id.
    #[error("something went wrong that is not the request's fault; quote the request id")]
    Internal,
}

/// The JSON form of a problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// Stable, for programs.
    code: &'static str,
    /// For people: what was wrong, what was expected, what to do.
    detail: String,
    /// Quote it when the error is the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// How an error is written: each protocol has its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// RFC 9457.
    Details,
    /// `{"error": "…"}`, as TensorFlow Serving and the Open Inference Protocol have it.
    Message,
}

impl ErrorForm {
    /// The form of the protocol that `path` belongs to.
    pub(crate) fn of(path: &str) -> Self {
        let under =
            |root| path.strip_prefix(root).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        if under("/v1") || under("/v2") { Self::Message } else { Self::Details }
    }
}

/// The JSON form of an error in those protocols.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorMessage {
    error: String,
}

impl Problem {
    /// Status, stable code and title.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson(_) => (S::BAD_REQUEST, "invalid_json", "Invalid JSON"),
            Self::MissingImage => (S::BAD_REQUEST, "missing_image", "Missing image"),
            Self::InvalidBase64(_) => (S::BAD_REQUEST, "invalid_base64", "Invalid base64"),
            Self::InvalidParameter(_) => (S::BAD_REQUEST, "invalid_parameter", "Invalid parameter"),
            Self::IncompleteBody => (S::BAD_REQUEST, "incomplete_body", "Incomplete body"),
            Self::PayloadTooLarge { .. } | Self::ObjectTooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large")
            }
            Self::ImageTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "image_too_large", "Image too large"),
            Self::BatchTooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, "batch_too_large", "Batch too large")
            }
            Self::UnsupportedMediaType(_) | Self::UnsupportedEncoding(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            }
            Self::UnsupportedImageFormat(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_image_format", "Unsupported image format")
            }
            Self::CorruptImage(_) => (S::UNPROCESSABLE_ENTITY, "corrupt_image", "Corrupt image"),
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
            Self::SlowBody { .. } => (S::REQUEST_TIMEOUT, "slow_body", "The body is slow"),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Self::TimedOut { .. } => (S::SERVICE_UNAVAILABLE, "timed_out", "Timed out"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// The stable code, for logs and records.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// The problem as one element of a batch.
    pub(crate) fn details(&self) -> Details {
        let (status, code, title) = self.row();
        let (r#type, status) = ("about:blank", status.as_u16());
        Details { r#type, title, status, code, detail: self.to_string(), request_id: None }
    }

    fn details_of(&self, request: &RequestId) -> impl IntoResponse + use<> {
        let mut details = self.details();
        if self.row().0.is_server_error() {
            details.request_id = Some(request.to_string());
        }
        let media_type = HeaderValue::from_static("application/problem+json");
        ([(header::CONTENT_TYPE, media_type)], Json(details))
    }

    /// The whole response, which names the request where that helps to find it in the log.
    pub(crate) fn respond(&self, request: &RequestId, form: ErrorForm) -> Response {
        let (status, ..) = self.row();
        let mut response = match form {
            ErrorForm::Details => self.details_of(request).into_response(),
            ErrorForm::Message => Json(ErrorMessage { error: self.to_string() }).into_response(),
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// A handler's problem travels to [`crate::telemetry::observe`], which knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.row().0.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<ClassifyError> for Problem {
    fn from(error: ClassifyError) -> Self {
        use ClassifyError as E;
        match error {
            E::UnsupportedFormat | E::FormatNotAccepted { .. } | E::UnsupportedVariant { .. } => {
                Self::UnsupportedImageFormat(error)
            }
            E::ImageTooLarge { .. } | E::TooMuchMemory { .. } => Self::ImageTooLarge(error),
            E::Corrupt { .. } => Self::CorruptImage(error),
            E::InvalidPixels { .. }
            | E::NoClassMaps
            | E::NoEmbedding
            | E::NotAmongTheBest { .. } => Self::InvalidParameter(error.to_string()),
            E::Overlay(_) | E::Inference(_) | E::NotFinite | E::OutputShape { .. } => {
                tracing::error!(error = %error, source = ?std::error::Error::source(&error), "inference failed");
                Self::Internal
            }
        }
    }
}
