//! `GET /results/{id}`: the result of an upload.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use glimpse_objects::{Location, ObjectError, Objects, Version};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::id::UploadId;
use crate::config::UploadsConfig;
use crate::extract::segment::Segment;
use crate::openapi::ResultProblems;
use crate::problem::Problem;
use crate::state::ApiState;

/// Seconds after which to look again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// From the end of an upload until S3 shows it, on clocks that differ.
const GRACE: Duration = Duration::from_secs(60);
/// Far more than a result has.
const MAX_RESULT_BYTES: u64 = 1 << 20;

/// The answer while there is no result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResultPending)]
pub(crate) struct Pending {
    /// The upload's.
    id: String,
    /// `pending`.
    status: &'static str,
}

/// What an upload was classified as
///
/// 200 with the result, or 202 while one may still be written.
///
/// An id says when it was made. Once its address has expired, only an upload that has arrived can
/// still get a result; a queue may be long.
#[utoipa::path(
    get,
    path = "/results/{id}",
    operation_id = "result",
    tag = super::TAG,
    params(("id" = String, Path, description = "As `POST /uploads` gave it")),
    responses(
        (
            status = 200,
            description = "The result, as it was written beside the uploads",
            body = Object,
            content_type = "application/json"
        ),
        (status = 202, description = "Not there yet", body = Pending),
        ResultProblems
    )
)]
pub(super) async fn result(
    State(state): State<ApiState>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let uploads = state.config.uploads.as_ref().ok_or(Problem::NoUploads)?;
    let id: UploadId = id.parse().map_err(|_| Problem::NotFound)?;
    let objects = &state.objects;
    if let Some(result) = read(objects, uploads, id).await? {
        return Ok(([(header::CONTENT_TYPE, "application/json")], result).into_response());
    }
    let age = id.age().ok_or(Problem::NotFound)?;
    if age > uploads.expiry + GRACE && !is_uploaded(objects, uploads, id).await? {
        return Err(Problem::NotFound);
    }
    let pending = Pending { id: id.to_string(), status: "pending" };
    let retry = [(header::RETRY_AFTER, RETRY_AFTER)];
    Ok((StatusCode::ACCEPTED, retry, Json(pending)).into_response())
}

async fn read(
    objects: &Objects,
    uploads: &UploadsConfig,
    id: UploadId,
) -> Result<Option<Vec<u8>>, Problem> {
    let key = format!("{}/{}.json", uploads.bucket, id.key());
    let location = Location::new(&uploads.results_bucket, key);
    match objects.get(&location, &Version::default(), MAX_RESULT_BYTES).await {
        Ok(object) => Ok(Some(object.bytes)),
        Err(error) => absent(&error).map(|()| None),
    }
}

async fn is_uploaded(
    objects: &Objects,
    uploads: &UploadsConfig,
    id: UploadId,
) -> Result<bool, Problem> {
    match objects.head(&Location::new(&uploads.bucket, id.key())).await {
        Ok(_) => Ok(true),
        Err(error) => absent(&error).map(|()| false),
    }
}

/// Without `s3:ListBucket`, S3 denies access to an object that is not there.
fn absent(error: &ObjectError) -> Result<(), Problem> {
    match error {
        ObjectError::NotFound { .. } | ObjectError::Forbidden { .. } => Ok(()),
        error => {
            tracing::warn!(%error, "a result cannot be read from S3");
            Err(Problem::ObjectUnavailable)
        }
    }
}
