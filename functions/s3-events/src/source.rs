//! Reading the object that an event names, and no other version of it.

use glimpse_objects::{Location, ObjectError, Objects, Version};

use crate::error::Failure;
use crate::object::Object;

/// What was found.
pub(crate) enum Found {
    /// The object, and its bytes.
    Whole(Object, Vec<u8>),
    /// It is longer than the limit, and was not read.
    TooLarge(Object),
    /// It has been deleted.
    Deleted,
    /// It has been written again; a later event reports that.
    Replaced,
}

/// Read `object`, of at most `limit` bytes.
pub(crate) async fn read(objects: &Objects, object: &Object, limit: u64) -> Result<Found, Failure> {
    let location = Location::new(&object.bucket, &object.key);
    let wanted = Version { etag: object.etag.clone(), version_id: object.version_id.clone() };
    let found = |Version { etag, version_id }| Object { etag, version_id, ..object.clone() };
    let error = match objects.get(&location, &wanted, limit).await {
        Ok(read) => return Ok(Found::Whole(found(read.version), read.bytes)),
        Err(error) => error,
    };
    let bucket = object.bucket.clone();
    match error {
        ObjectError::TooLarge { found: version, .. } => Ok(Found::TooLarge(found(version))),
        ObjectError::NotFound { .. } => Ok(Found::Deleted),
        ObjectError::Changed { .. } => Ok(Found::Replaced),
        ObjectError::NoSuchBucket { .. } => Err(Failure::NoSuchBucket { bucket, source: error }),
        ObjectError::DirectoryBucket => Err(Failure::DirectoryBucket { bucket, source: error }),
        ObjectError::Unavailable { .. } => Err(Failure::SourceUnreachable(error)),
        error => Err(Failure::SourceDenied(error)),
    }
}
