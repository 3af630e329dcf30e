//! Where a picture that was decoded at reduced scale is read again, if it has to be.
//!
//! Its bytes are not kept: pictures wait for one another, and what they hold of the memory for files
//! would be missing where those are read that they wait for.

use std::path::PathBuf;

use glimpse_objects::{Location, Version};

use crate::admitted::Files;
use crate::source::{Bucket, Failure, read_file};
use crate::stamp::Stamp;

/// The same content as before, or nothing.
pub enum Reduced {
    /// What came through standard input, which comes once.
    Stdin(Vec<u8>),
    /// A file in this state.
    File(PathBuf, Stamp),
    /// An object's version.
    Object(Location, Version),
}

impl Reduced {
    /// Read it within the memory for files, and have `then` use it.
    ///
    /// # Errors
    /// When it has changed or cannot be read.
    pub fn read<T>(
        &self,
        bucket: &Bucket,
        (limit, files): (u64, &Files),
        then: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Self::Stdin(bytes) => then(bytes),
            Self::File(path, stamp) => {
                let admit = |bytes| Ok(files.enter_blocking(bytes)?);
                let (seen, _held) = read_file(path, limit, admit)?;
                let is_same = Stamp::from(&seen.before) == *stamp;
                if is_same { then(&seen.bytes) } else { Err(Failure::NotFound) }
            }
            Self::Object(location, version) => {
                let (object, _held) = bucket.fetch_again((location, version), (limit, files))?;
                then(&object.bytes)
            }
        }
    }
}
