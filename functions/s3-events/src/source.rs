//! Fetching the object that an event names, and no other version of it.

use glimpse_objects::{Location, ObjectError, Objects, Version};

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
    objects: &Objects,
    object: &Object,
    limit: u64,
) -> Result<Fetched, Failure> {
    let location = Location::new(&object.bucket, &object.key);
    let wanted = Version { etag: object.etag.clone(), version_id: object.version_id.clone() };
    let found = |version: Version| Object {
        etag: version.etag,
        version_id: version.version_id,
        ..object.clone()
    };
    match objects.get(&location, &wanted, limit).await {
        Ok(read) => Ok(Fetched::Whole(found(read.version), read.bytes)),
        Err(ObjectError::TooLarge { found: version, .. }) => Ok(Fetched::TooLarge(found(version))),
        Err(ObjectError::NotFound { .. } | ObjectError::NoSuchBucket { .. }) => Ok(Fetched::Gone),
        Err(ObjectError::Changed { .. }) => Ok(Fetched::Replaced),
        Err(error @ ObjectError::Unavailable { .. }) => {
            tracing::warn!(%error, "an object cannot be read from S3");
            Err(Failure::SourceUnreachable)
        }
        Err(error) => {
            tracing::error!(%error, "an object may not be read from S3");
            Err(Failure::SourceDenied)
        }
    }
}
