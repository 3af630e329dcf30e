//! One object that an event names.

use std::fmt;

use crate::sequencer::Sequencer;

/// Where an object is, and which of its versions is meant.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The bucket's name.
    pub bucket: String,
    /// The key itself, not as the event encodes it.
    pub key: String,
    /// In buckets with versioning.
    pub version_id: Option<String>,
    /// Its entity tag, without quotes; S3 Batch Operations does not tell it.
    pub etag: Option<String>,
    /// The event's place among those of this key; S3 Batch Operations has none.
    pub sequencer: Option<Sequencer>,
}

/// Keys may tell what is on private pictures; they do not belong into logs.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, version_id, etag, sequencer, .. } = self;
        f.debug_struct("Object")
            .field("bucket", bucket)
            .field("version_id", version_id)
            .field("etag", etag)
            .field("sequencer", sequencer)
            .finish_non_exhaustive()
    }
}
