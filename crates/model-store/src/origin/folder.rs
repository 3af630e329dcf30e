//! A bundle in a folder: a source of its own, and the form of a cache entry.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::digest::Sha256Digest;
use crate::error::LoadError;
use crate::verify::{
    DESCRIPTION, Description, Hashed, LABELS, MAX_TEXT_BYTES, MODEL, VerifiedBundle,
};

/// Read and verify the bundle in `folder`. Blocks.
pub(crate) fn read(
    folder: &Path,
    pin: Option<&Sha256Digest>,
    max_model_bytes: u64,
) -> Result<VerifiedBundle, LoadError> {
    let description = describe(folder, pin)?;
    let labels = Opened::open(folder.join(LABELS), MAX_TEXT_BYTES)?;
    description.check_size(LABELS, labels.bytes)?;
    let model = Opened::open(folder.join(MODEL), max_model_bytes)?;
    description.check_size(MODEL, model.bytes)?;
    description.complete(labels.read()?, model.read()?)
}

/// Read and verify `bundle.json` alone. Blocks.
pub(crate) fn describe(
    folder: &Path,
    pin: Option<&Sha256Digest>,
) -> Result<Description, LoadError> {
    let text = Opened::open(folder.join(DESCRIPTION), MAX_TEXT_BYTES)?.read()?;
    Description::verify(text, pin)
}

struct Opened {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Opened {
    fn open(path: PathBuf, limit: u64) -> Result<Self, LoadError> {
        let file = File::open(&path).map_err(|error| explain(&path, &error))?;
        let bytes = file.metadata().map_err(|error| explain(&path, &error))?.len();
        if bytes > limit {
            return Err(LoadError::TooLarge { what: path.display().to_string(), bytes, limit });
        }
        Ok(Self { path, file, bytes })
    }

    fn read(self) -> Result<Hashed, LoadError> {
        let mut content = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or_default());
        // A file that grows meanwhile is not followed; its checksum will be wrong.
        let read = self.file.take(self.bytes).read_to_end(&mut content);
        read.map_err(|error| explain(&self.path, &error))?;
        Ok(Hashed::of(content))
    }
}

fn explain(path: &Path, error: &std::io::Error) -> LoadError {
    let what = path.display().to_string();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory => LoadError::Missing { what },
        ErrorKind::NotADirectory => {
            let reason =
                "a file is in the place of the folder; name the bundle's folder".to_owned();
            LoadError::Unreachable { what, reason }
        }
        _ => LoadError::Unreachable { what, reason: error.to_string() },
    }
}
