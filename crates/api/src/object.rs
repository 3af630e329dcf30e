//! Pictures that are in S3 already.

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::state::ApiState;

/// `{"bucket": …, "key": …}`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = S3Object)]
#[serde(deny_unknown_fields, expecting = "an object with bucket and key")]
pub(crate) struct Location {
    bucket: String,
    key: String,
}

/// Fetch an object of a bucket in `GLIMPSE_S3_BUCKETS`, up to `GLIMPSE_MAX_OBJECT_BYTES`.
///
/// A bucket that is not allowed and one that does not exist are answered alike, so that nobody can
/// ask this service which buckets there are.
pub(crate) async fn fetch(state: &ApiState, location: &Location) -> Result<Vec<u8>, Problem> {
    if !state.config.s3_buckets.contains(&location.bucket) {
        let reason = "s3.bucket is not one that this service may read (GLIMPSE_S3_BUCKETS)";
        return Err(Problem::InvalidParameter(reason.to_owned()));
    }
    let limit = state.config.max_object_bytes;
    let get = state.store.s3().await.get_object().bucket(&location.bucket).key(&location.key);
    let object = get.send().await.map_err(|error| match error.code() {
        Some(
            "NoSuchKey" | "NoSuchBucket" | "AccessDenied" | "KeyTooLongError"
            // Archived: to be restored first, which is not a matter of seconds.
            | "InvalidObjectState",
        ) => {
            Problem::InvalidParameter("s3.key names no object that can be read".to_owned())
        }
        // The SDK makes no request of a key that cannot be one, such as an empty key.
        _ if matches!(error, SdkError::ConstructionFailure(_)) => {
            Problem::InvalidParameter("s3.key is not the key of an object".to_owned())
        }
        code => {
            tracing::warn!(code, "an object cannot be read from S3");
            Problem::ObjectUnavailable
        }
    })?;
    let too_large = |length| usize::try_from(length).map_or(true, |length: usize| length > limit);
    if object.content_length().is_some_and(too_large) {
        return Err(Problem::ObjectTooLarge { limit });
    }
    let mut body = object.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| Problem::ObjectUnavailable)?;
        if bytes.len() + part.len() > limit {
            return Err(Problem::ObjectTooLarge { limit });
        }
        bytes.extend_from_slice(&part);
    }
    if bytes.is_empty() {
        return Err(Problem::MissingImage);
    }
    Ok(bytes)
}
