//! Fetching the object that an event names, and no other version of it.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;

use crate::object::Object;
use crate::worker::Failure;

/// What was found.
pub(crate) enum Fetched {
    /// The object, and its bytes.
    Whole(Object, Vec<u8>),
    /// It is longer than the limit, and was not read.
    TooLarge(Object),
    /// It is there no more.
    Gone,
    /// It was written again since: a later event tells of that.
    Replaced,
}

/// Fetch `object`, of at most `limit` bytes.
pub(crate) async fn fetch(
    client: &Client,
    object: &Object,
    limit: usize,
) -> Result<Fetched, Failure> {
    let request = client
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_if_match(object.etag.as_ref().map(|tag| format!("\"{tag}\"")));
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return absent(&error),
    };
    let mut found = object.clone();
    found.etag = answer.e_tag.as_deref().map(|tag| tag.trim_matches('"').to_owned());
    found.version_id = answer.version_id.or(found.version_id).filter(|version| version != "null");
    let too_large = |length: i64| usize::try_from(length).map_or(true, |length| length > limit);
    if answer.content_length.is_some_and(too_large) {
        return Ok(Fetched::TooLarge(found));
    }
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| Failure::SourceUnreachable)?;
        if bytes.len() + part.len() > limit {
            return Ok(Fetched::TooLarge(found));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Fetched::Whole(found, bytes))
}

fn absent(error: &SdkError<GetObjectError>) -> Result<Fetched, Failure> {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        // 405: the version is a deletion.
        (Some(404 | 405), _) => Ok(Fetched::Gone),
        (Some(412), _) => Ok(Fetched::Replaced),
        (Some(408 | 429 | 500..), _) | (None, _) | (_, Some("SlowDown" | "RequestTimeout")) => {
            tracing::warn!(status, code = error.code(), "an object cannot be read from S3");
            Err(match error {
                SdkError::ConstructionFailure(_) => Failure::SourceDenied,
                _ => Failure::SourceUnreachable,
            })
        }
        (status, code) => {
            tracing::error!(status, code, "an object may not be read from S3");
            Err(Failure::SourceDenied)
        }
    }
}
