//! `head.safetensors`, read from where the bundle came from at the first explained request.
//!
//! A plain request never needs it, so it is not part of a load. What S3 gives is kept in the
//! bundle's cache entry.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use glimpse_classifier::{HeadError, HeadSource};
use glimpse_objects::Objects;

use crate::error::LoadError;
use crate::source::folder::{self, OpenFile};
use crate::source::s3::S3Bundle;
use crate::verify::{ExpectedHead, HEAD};

/// Where the head of one bundle is.
pub(crate) enum HeadPlace {
    /// In the bundle's folder. It is opened at the load, so that it can be read when another bundle
    /// has taken its place.
    Folder { folder: PathBuf, opened: Option<OpenFile> },
    /// Under a prefix, and in the cache entry once it has been read.
    S3 { objects: Objects, bucket: String, prefix: String, entry: PathBuf },
}

impl HeadPlace {
    /// The head of the bundle that is in `folder` now; of at most `limit` bytes.
    pub(crate) fn in_folder(folder: PathBuf, limit: u64) -> Self {
        let opened = OpenFile::open(folder.join(HEAD), limit).ok();
        Self::Folder { folder, opened }
    }
}

/// Reads the head from `place` and verifies it; blocks.
pub(crate) fn source(place: HeadPlace, expected: ExpectedHead, limit: u64) -> HeadSource {
    Box::new(move || {
        read(&place, &expected, limit).map_err(|error| {
            tracing::error!(%error, "the bundle's {HEAD} cannot be read");
            HeadError::from(error)
        })
    })
}

fn read(place: &HeadPlace, expected: &ExpectedHead, limit: u64) -> Result<Vec<u8>, LoadError> {
    let local = |folder: &PathBuf| expected.verify(folder::file(folder, HEAD, limit)?);
    match place {
        HeadPlace::Folder { folder, opened } => {
            let held = opened.as_ref().map(|file| expected.verify(file.read_at_any_time()?));
            held.and_then(Result::ok).map_or_else(|| local(folder), Ok)
        }
        HeadPlace::S3 { objects, bucket, prefix, entry } => {
            if let Ok(head) = local(entry) {
                return Ok(head);
            }
            let fetched = download(objects, bucket, prefix, limit)?;
            let head = expected.verify(fetched)?;
            keep(entry, &head);
            Ok(head)
        }
    }
}

/// On a thread and a runtime of its own: the caller may be the one thread that drives the runtime.
fn download(
    objects: &Objects,
    bucket: &str,
    prefix: &str,
    max_model_bytes: u64,
) -> Result<crate::verify::Hashed, LoadError> {
    let objects = objects.with_own_connections();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let bundle =
            S3Bundle { objects: &objects, bucket, prefix, expected_digest: None, max_model_bytes };
        runtime.map_err(cannot_start)?.block_on(bundle.file(HEAD, max_model_bytes))
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new().spawn_scoped(scope, work).map_err(cannot_start)?;
        let ended = |_| Err(cannot_start(io::Error::other("the thread that reads it ended")));
        reader.join().unwrap_or_else(ended)
    })
}

fn cannot_start(error: io::Error) -> LoadError {
    LoadError::Unreachable { what: HEAD.to_owned(), source: Arc::new(error) }
}

/// Whole or not at all. Where there is no entry yet, or no room, the next process reads S3 again.
fn keep(entry: &PathBuf, head: &[u8]) {
    let kept = tempfile::NamedTempFile::new_in(entry).and_then(|file| {
        fs::write(file.path(), head)?;
        Ok(file.persist(entry.join(HEAD))?)
    });
    if let Err(error) = kept {
        tracing::debug!(%error, "the head is not kept in the cache");
    }
}
