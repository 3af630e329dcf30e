//! Result objects in S3: read whole, and written only over what was read.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};

use crate::object::Object;
use crate::record::Head;
use crate::worker::Failure;

/// The longest key that S3 takes, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// No result is longer; something else may be.
const MAX_RESULT_BYTES: usize = 1 << 20;

/// A result that is there already.
pub(crate) struct Existing {
    etag: String,
    pub(crate) bytes: Vec<u8>,
    /// `None` where it is not a result that this version can read: it is replaced.
    pub(crate) head: Option<Head>,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// There is another result by now.
    Conflict,
}

/// The key of `object`'s result.
pub(crate) fn key_of(object: &Object) -> Result<String, Failure> {
    let key = format!("{}/{}.json", object.bucket, object.key);
    if key.len() > MAX_KEY_BYTES { Err(Failure::KeyTooLong) } else { Ok(key) }
}

/// The result at `key`, if there is one.
pub(crate) async fn read(
    client: &Client,
    bucket: &str,
    key: &str,
) -> Result<Option<Existing>, Failure> {
    let answer = match client.get_object().bucket(bucket).key(key).send().await {
        Ok(answer) => answer,
        Err(error) if status(&error) == Some(404) && error.code() != Some("NoSuchBucket") => {
            return Ok(None);
        }
        Err(error) => return Err(unavailable(&error)),
    };
    let etag = answer.e_tag.ok_or(Failure::ResultsUnavailable)?;
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part.map_err(|_| Failure::ResultsUnavailable)?);
        if bytes.len() > MAX_RESULT_BYTES {
            break;
        }
    }
    let head = serde_json::from_slice(&bytes).ok();
    Ok(Some(Existing { etag, bytes, head }))
}

/// Write `bytes` over `existing` and nothing else.
pub(crate) async fn write(
    client: &Client,
    bucket: &str,
    key: &str,
    bytes: Vec<u8>,
    existing: Option<&Existing>,
) -> Result<Put, Failure> {
    let request = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("application/json")
        .set_if_none_match(existing.is_none().then(|| "*".to_owned()))
        .set_if_match(existing.map(|existing| existing.etag.clone()))
        .body(bytes.into());
    match request.send().await {
        Ok(_) => Ok(Put::Done),
        // 409: another write was on its way; 404: what was to be replaced is gone.
        Err(error) if error.code() == Some("NoSuchBucket") => Err(unavailable(&error)),
        Err(error) if matches!(status(&error), Some(404 | 409 | 412)) => Ok(Put::Conflict),
        Err(error) => Err(unavailable(&error)),
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn unavailable<E>(error: &SdkError<E>) -> Failure
where
    SdkError<E>: aws_sdk_s3::error::ProvideErrorMetadata,
{
    tracing::warn!(status = status(error), code = error.code(), "results are not available");
    Failure::ResultsUnavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_leaves_no_room_for_its_results_key_is_refused() {
        let object = |key: String| Object {
            bucket: "pictures".into(),
            key,
            version_id: None,
            etag: None,
            sequencer: None,
        };
        let longest = MAX_KEY_BYTES - "pictures/.json".len();
        assert!(key_of(&object("k".repeat(longest))).is_ok());
        assert_eq!(key_of(&object("k".repeat(longest + 1))), Err(Failure::KeyTooLong));
    }
}
