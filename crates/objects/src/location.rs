//! Which object, and which version of it.

use std::fmt;

/// Bucket and key; printed as `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The key, not encoded.
    pub key: String,
}

/// The version of an object that is asked for, or that was found. The default is the current one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// The entity tag, without its quotes.
    pub etag: Option<String>,
    /// In buckets with versioning.
    pub version_id: Option<String>,
}

impl Location {
    /// The object with this key in this bucket.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl Version {
    /// As an answer's headers name it.
    pub(crate) fn found(etag: Option<&str>, version_id: Option<String>) -> Self {
        Self {
            etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
            // What S3 sends for objects from before versioning.
            version_id: version_id.filter(|version| version != "null"),
        }
    }

    /// The value of `If-Match` that holds a read to this version.
    pub(crate) fn if_match(&self) -> Option<String> {
        self.etag.as_deref().map(quoted)
    }
}

/// An entity tag as headers have it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
