//! A bundle in a folder: a source of its own, and the form of a cache entry.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glimpse_classifier::Graph;

use crate::digest::Sha256Digest;
use crate::error::LoadError;
use crate::verify::{Hashed, LABELS, MANIFEST, MAX_TEXT_BYTES, VerifiedBundle, VerifiedManifest};

/// Read and verify only `bundle.json`. Blocks.
pub(crate) fn manifest(
    folder: &Path,
    expected: Option<&Sha256Digest>,
) -> Result<VerifiedManifest, LoadError> {
    let text = OpenFile::open(folder.join(MANIFEST), MAX_TEXT_BYTES)?.read()?;
    VerifiedManifest::verify(text, expected)
}

/// Read and verify the labels and one graph of the bundle that `manifest` describes. Blocks.
pub(crate) fn read_rest(
    folder: &Path,
    manifest: VerifiedManifest,
    graph: Graph,
    max_model_bytes: u64,
) -> Result<VerifiedBundle, LoadError> {
    let labels = OpenFile::open(folder.join(LABELS), MAX_TEXT_BYTES)?;
    manifest.check_size(LABELS, labels.bytes)?;
    let model = OpenFile::open(folder.join(graph.file()), max_model_bytes)?;
    manifest.check_size(graph.file(), model.bytes)?;
    manifest.complete(labels.read()?, graph, model.read()?)
}

/// Read one file of a bundle, not verified yet. Blocks.
pub(crate) fn file(folder: &Path, name: &str, limit: u64) -> Result<Hashed, LoadError> {
    OpenFile::open(folder.join(name), limit)?.read()
}

/// A file whose size is known and within its limit.
pub(crate) struct OpenFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl OpenFile {
    pub(crate) fn open(path: PathBuf, limit: u64) -> Result<Self, LoadError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(|error| load_error(&path, error))?;
        if bytes > limit {
            return Err(LoadError::TooLarge { what: path.display().to_string(), bytes, limit });
        }
        Ok(Self { path, file, bytes })
    }

    /// What it held when it was opened, also if another file has taken its name since. Blocks.
    pub(crate) fn read_at_any_time(&self) -> Result<Hashed, LoadError> {
        let mut content = vec![0; usize::try_from(self.bytes).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut content, 0);
        read.map_err(|error| load_error(&self.path, error))?;
        Ok(Hashed::of(content))
    }

    fn read(self) -> Result<Hashed, LoadError> {
        let mut content = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or_default());
        // A file that grows meanwhile is not followed; its checksum will be wrong.
        let read = self.file.take(self.bytes).read_to_end(&mut content);
        read.map_err(|error| load_error(&self.path, error))?;
        Ok(Hashed::of(content))
    }
}

/// What it means for a load that a file of the bundle was not read.
fn load_error(path: &Path, error: io::Error) -> LoadError {
    let what = path.display().to_string();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory => {
            LoadError::Missing { what, source: Arc::new(error) }
        }
        ErrorKind::NotADirectory => LoadError::NotAFolder { what, source: Arc::new(error) },
        _ => LoadError::Unreachable { what, source: Arc::new(error) },
    }
}
