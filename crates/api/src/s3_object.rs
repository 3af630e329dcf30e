//! Pictures that are in S3 already.

use glimpse_objects::{ObjectError, Version};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::Caller;
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
///
/// Its memory is reserved first, as for a body.
pub(crate) async fn fetch(
    state: &ApiState,
    location: &Location,
    caller: &Caller,
) -> Result<(Vec<u8>, Caller), Problem> {
    if !state.config.s3_buckets.contains(&location.bucket) {
        let reason = "s3.bucket is not one that this service may read (GLIMPSE_S3_BUCKETS)";
        return Err(Problem::InvalidParameter(reason.to_owned()));
    }
    let limit = state.config.max_object_bytes;
    let bytes = limit as u64;
    if bytes > state.bodies.size() {
        return Err(Problem::BodyOverBudget { budget: state.bodies.size() });
    }
    let reserved = state.bodies.reserve(caller.client, bytes).ok_or(Problem::BodiesFull)?;
    let location = glimpse_objects::Location::new(&location.bucket, &location.key);
    let object = state.objects.get(&location, &Version::default(), limit as u64).await;
    let bytes = object.map_err(|error| problem(&error, limit))?.bytes;
    if bytes.is_empty() {
        return Err(Problem::MissingImage);
    }
    Ok((bytes, caller.holding(reserved)))
}

fn problem(error: &ObjectError, limit: usize) -> Problem {
    let names_nothing = "s3.key names no object that can be read";
    match error {
        ObjectError::NotFound { .. }
        | ObjectError::NoSuchBucket { .. }
        | ObjectError::Forbidden { .. }
        // To be restored first, which is not a matter of seconds.
        | ObjectError::Archived { .. } => Problem::InvalidParameter(names_nothing.to_owned()),
        ObjectError::InvalidName { .. } => {
            Problem::InvalidParameter("s3.key is not the key of an object".to_owned())
        }
        ObjectError::DirectoryBucket => Problem::InvalidParameter(format!("s3.bucket: {error}")),
        ObjectError::TooLarge { .. } => Problem::ObjectTooLarge { limit },
        error => {
            tracing::warn!(%error, "an object cannot be read from S3");
            Problem::ObjectUnavailable
        }
    }
}
