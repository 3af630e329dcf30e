//! `POST /uploads`: an address to which a client puts one picture, past the limits of a request.

use axum::Json;
use axum::extract::State;
use glimpse_objects::Location;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::id::UploadId;
use crate::extract::body::{self, Payload};
use crate::openapi::UploadProblems;
use crate::problem::Problem;
use crate::state::ApiState;

/// Those that the classifier decodes.
const CONTENT_TYPES: [&str; 9] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
    "image/heic",
    "image/heif",
    "image/avif",
];

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
    /// To be sent as they are: they are part of the signature. Browsers send the length by themselves.
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
    /// S3 takes one object for an address.
    if_none_match: &'static str,
}

/// Ask for an address to upload one picture to; 404 where the service takes no uploads
#[utoipa::path(
    post,
    path = "/uploads",
    operation_id = "upload",
    tag = super::TAG,
    request_body(
        content = Announcement,
        example = json!({ "content_type": "image/jpeg", "content_length": 2_500_000 })
    ),
    responses(
        (
            status = 201,
            description = "Where to put the picture, and where its result will be",
            body = Ticket
        ),
        UploadProblems
    )
)]
pub(super) async fn upload(
    State(state): State<ApiState>,
    Payload(body, _): Payload,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let uploads = state.config.uploads.as_ref().ok_or(Problem::NoUploads)?;
    let Announcement { content_type, content_length } = body::json(&body)?;
    if !CONTENT_TYPES.contains(&content_type.as_str()) {
        let expected = format!("content_type: expected one of {}", CONTENT_TYPES.join(", "));
        return Err(Problem::InvalidParameter(expected));
    }
    let limit = uploads.max_bytes.min(state.config.max_object_bytes);
    if content_length == 0 {
        return Err(Problem::MissingImage);
    }
    let length = i64::try_from(content_length).ok().filter(|_| content_length <= limit as u64);
    let length = length.ok_or(Problem::UploadTooLarge { limit })?;
    let id = UploadId::generate();
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
        headers: UploadHeaders {
            content_type,
            content_length: content_length.to_string(),
            if_none_match: "*",
        },
        expires_at: signed.expires_at,
    };
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// What the derived schema cannot say: the values of the constants above.
pub(crate) fn constrain_schemas(schemas: &mut Value) {
    let request = &mut schemas["UploadRequest"]["properties"];
    request["content_type"]["enum"] = json!(CONTENT_TYPES);
    request["content_length"]["minimum"] = json!(1);
}
