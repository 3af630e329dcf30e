//! Result objects in S3: read whole, and written only over what was read.

use glimpse_objects::{Condition, Location, NewObject, ObjectError, Objects, Version};

use crate::document::Head;
use crate::error::Failure;
use crate::object::Object;

/// The longest key that S3 takes, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// No result is longer; something else may be.
const MAX_RESULT_BYTES: u64 = 1 << 20;

/// A result that is there already.
pub(crate) struct Existing {
    etag: String,
    pub(crate) bytes: Vec<u8>,
    /// `None` where it is not a result that this version can read: it is replaced.
    pub(crate) head: Option<Head>,
}

/// How a write ended.
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

/// The result at `location`, if there is one.
pub(crate) async fn read(
    objects: &Objects,
    location: &Location,
) -> Result<Option<Existing>, Failure> {
    let (version, bytes) = match objects.get(location, &Version::default(), MAX_RESULT_BYTES).await
    {
        Ok(object) => (object.version, object.bytes),
        Err(ObjectError::TooLarge { found, .. }) => (found, Vec::new()),
        Err(ObjectError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(Failure::ResultsUnavailable(error)),
    };
    let etag = version.etag.ok_or(Failure::ResultWithoutEtag)?;
    let head = serde_json::from_slice(&bytes).ok();
    Ok(Some(Existing { etag, bytes, head }))
}

/// Write `bytes` over `existing` and nothing else.
pub(crate) async fn write(
    objects: &Objects,
    location: &Location,
    bytes: Vec<u8>,
    existing: Option<&Existing>,
) -> Result<Put, Failure> {
    let condition = existing.map_or(Condition::Absent, |existing| Condition::Etag(&existing.etag));
    let object = NewObject { content_type: "application/json", bytes };
    match objects.put(location, object, condition).await {
        Ok(()) => Ok(Put::Done),
        Err(ObjectError::Changed { .. }) => Ok(Put::Conflict),
        Err(error) => Err(Failure::ResultsUnavailable(error)),
    }
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
        let too_long = key_of(&object("k".repeat(longest + 1)));
        assert!(matches!(too_long, Err(Failure::KeyTooLong)));
    }
}
