//! `POST /uploads`: an address to which a client puts one picture, past the limits of a request.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use glimpse_objects::Location;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::{NoContext, Timestamp, Uuid};

use crate::payload::{self, Payload};
use crate::problem::Problem;
use crate::state::ApiState;

/// Those that the classifier decodes.
pub(crate) const CONTENT_TYPES: [&str; 6] =
    ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff"];

/// What is going to be uploaded; the address takes nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UploadRequest)]
#[serde(deny_unknown_fields, expecting = "an object with content_type and content_length")]
pub(crate) struct Announcement {
    /// The picture's media type.
    content_type: String,
    /// Its length in bytes.
    content_length: u64,
}

/// How to upload the picture, and where its result will be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadTicket)]
pub(crate) struct Ticket {
    /// Names upload and result.
    id: String,
    /// Where the picture goes, with the headers and without a body around it.
    url: String,
    /// The method to send it with: PUT.
    method: &'static str,
    /// Both are part of the signature; browsers send the length by themselves.
    headers: UploadHeaders,
    /// RFC 3339; after that the address is refused.
    expires_at: String,
    /// Path of the result.
    result: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct UploadHeaders {
    content_type: String,
    content_length: String,
}

/// The handler.
pub(crate) async fn handle(
    State(state): State<ApiState>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let uploads = state.config.uploads.as_ref().ok_or(Problem::NoUploads)?;
    let Announcement { content_type, content_length } = payload::json(&body)?;
    if !CONTENT_TYPES.contains(&content_type.as_str()) {
        let expected = format!("content_type: expected one of {}", CONTENT_TYPES.join(", "));
        return Err(Problem::InvalidParameter(expected));
    }
    let limit = state.config.max_object_bytes;
    if content_length == 0 {
        return Err(Problem::MissingImage);
    }
    let length = i64::try_from(content_length).ok().filter(|_| content_length <= limit as u64);
    let length = length.ok_or(Problem::ObjectTooLarge { limit })?;
    let id = UploadId::new();
    let location = Location::new(&uploads.bucket, id.key());
    let signed = state.objects.presign_put(&location, &content_type, length, uploads.expiry).await;
    let signed = signed.map_err(|error| {
        tracing::error!(%error, "an upload cannot be signed");
        Problem::ObjectUnavailable
    })?;
    let ticket = Ticket {
        result: format!("/results/{id}"),
        id: id.to_string(),
        url: signed.url,
        method: "PUT",
        headers: UploadHeaders { content_type, content_length: content_length.to_string() },
        expires_at: signed.expires_at,
    };
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// Names an upload: 74 random bits, and when it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UploadId(Uuid);

/// No id that this service gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl UploadId {
    /// Random but for the time. A shared counter would make neighbours guessable.
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos());
        Self(Uuid::new_v7(time))
    }

    /// Where the upload goes in its bucket.
    pub(crate) fn key(self) -> String {
        format!("uploads/{self}")
    }

    /// Time since the id was given; `None` where that is yet to come, but for clocks that differ.
    pub(crate) fn age(self) -> Option<Duration> {
        const SKEW: Duration = Duration::from_secs(60);
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let given = UNIX_EPOCH + Duration::new(seconds, nanos);
        let since = (SystemTime::now() + SKEW).duration_since(given).ok()?;
        Some(since.saturating_sub(SKEW))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let id = Self(Uuid::try_parse(text).map_err(|_| NotAnId)?);
        // One spelling of many, so that an id names one object.
        let ours = id.0.get_version_num() == 7 && id.to_string() == text;
        if ours { Ok(id) } else { Err(NotAnId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_knows_its_age() {
        let id = UploadId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.age().unwrap() < Duration::from_secs(60));
        assert_ne!(UploadId::new(), UploadId::new());
    }

    #[test]
    fn other_texts_are_no_ids() {
        let upper = UploadId::new().to_string().to_uppercase();
        let random = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let long = "a".repeat(10_000);
        for text in ["", "..", "../uploads", random, &long, &format!("{{{upper}}}")] {
            assert_eq!(text.parse::<UploadId>(), Err(NotAnId), "{text}");
        }
    }
}
