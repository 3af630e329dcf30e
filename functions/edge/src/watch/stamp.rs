//! Which state of a file was seen.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Size and time of the last change; a file with another stamp is another picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub bytes: u64,
    /// RFC 3339, as exact as the file system is.
    pub modified: String,
}

impl Stamp {
    /// Of the file at `path`; nothing where there is none that can be seen.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        metadata.is_file().then(|| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let modified = OffsetDateTime::from(modified).format(&Rfc3339).unwrap_or_default();
        Self { bytes: metadata.len(), modified }
    }
}
