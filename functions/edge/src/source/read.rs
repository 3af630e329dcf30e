//! Files and standard input, under a limit.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::Failure;

/// Bytes of a file, and what the system said of it before and after they were read.
pub struct Seen {
    /// The content.
    pub bytes: Vec<u8>,
    /// Before.
    pub before: Metadata,
    /// After: another size or time means that the file was written meanwhile.
    pub after: Metadata,
}

/// Read a file of up to `limit` bytes, once `admit` has let so many be read.
///
/// # Errors
/// When it is absent, no file, unreadable or too large.
pub fn read_file<T>(
    path: &Path,
    limit: u64,
    admit: impl FnOnce(u64) -> Result<T, Failure>,
) -> Result<(Seen, T), Failure> {
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::NotFound,
        _ => Failure::Unreadable(error.into()),
    };
    let file = File::open(path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if before.len() > limit {
        return Err(Failure::TooLarge { limit });
    }
    let admitted = admit(before.len())?;
    let bytes = read(&file, limit)?;
    let after = file.metadata().map_err(unreadable)?;
    Ok((Seen { bytes, before, after }, admitted))
}

/// Read to the end, up to `limit` bytes.
///
/// # Errors
/// When it cannot be read or is longer.
pub fn read(from: impl Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Unreadable(error.into()))?;
    if bytes.len() as u64 > limit { Err(Failure::TooLarge { limit }) } else { Ok(bytes) }
}
