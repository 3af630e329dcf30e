//! Bundles kept on disk for the next cold start.
//!
//! An entry is the folder `<hash of the URI>/<sha256 of bundle.json>` with the files that were read:
//! `bundle.json`, the labels, one graph or both, and the head once that was needed.
//! It appears by renaming a finished folder, so a process that is killed or frozen while it writes
//! leaves no half entry, and processes that write the same entry do not disturb one another. An
//! entry is verified like a download each time it is read; one that fails is deleted.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use glimpse_classifier::Graph;
use tempfile::TempDir;

use crate::digest::Sha256Digest;
use crate::error::{FailureKind, LoadError};
use crate::source::folder;
use crate::verify::{VerifiedBundle, VerifiedManifest};

/// How many versions of one URI are kept: the current one, and one to roll back to.
const KEPT: usize = 2;
const WRITING: &str = ".writing-";
/// Locked by every process that writes a draft: who has it alone may remove what others left.
const LOCK: &str = ".lock";
/// Where files cannot be locked, a draft is removed after this time; a live process is done long before.
const ABANDONED: Duration = Duration::from_secs(3600);

/// An entry to be; removed when it is dropped without [`Draft::commit`].
pub(crate) struct Draft {
    cache: Cache,
    entry: PathBuf,
    written: TempDir,
    /// Released when it is closed.
    _lock: Option<File>,
}

/// The entries of one bundle URI.
#[derive(Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The entries that `root` holds for the bundle at `uri`. Touches nothing.
    pub(crate) fn new(root: &Path, uri: &str) -> Self {
        let mut name = Sha256Digest::of(uri.as_bytes()).to_string();
        name.truncate(16);
        Self { folder: root.join(name) }
    }

    /// Whether there is any entry at all.
    pub(crate) fn has_entries(&self) -> bool {
        !self.newest_first().is_empty()
    }

    /// The `bundle.json` with this checksum, verified, if there is an entry for it. Blocks.
    pub(crate) fn manifest(&self, digest: &Sha256Digest) -> Option<VerifiedManifest> {
        let entry = self.entry(digest);
        if !entry.is_dir() {
            return None;
        }
        let manifest = folder::manifest(&entry, Some(digest));
        manifest.inspect_err(|error| discard(&entry, error)).ok()
    }

    /// The rest of an entry, verified, if it has this graph. Blocks.
    pub(crate) fn read(
        &self,
        manifest: VerifiedManifest,
        graph: Graph,
        max_model_bytes: u64,
    ) -> Option<VerifiedBundle> {
        let entry = self.entry(&manifest.digest());
        if !entry.join(graph.file()).is_file() {
            return None; // Its other graph may serve another version of ONNX Runtime.
        }
        let bundle = folder::read_rest(&entry, manifest, graph, max_model_bytes);
        bundle.inspect_err(|error| discard(&entry, error)).ok()
    }

    /// Make an entry that serves again the newest one. Blocks.
    pub(crate) fn touch(&self, digest: &Sha256Digest) {
        let entry = self.folder.join(digest.to_string());
        let touched = File::open(&entry).and_then(|entry| entry.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            tracing::warn!(entry = %entry.display(), %error, "the time of a cache entry cannot be set");
        }
    }

    /// The checksums of the entries' `bundle.json`, the newest entry first. Blocks.
    pub(crate) fn digests(&self) -> Vec<Sha256Digest> {
        self.newest_first().into_iter().map(|(digest, _)| digest).collect()
    }

    /// Write `bundle` beside the entries. Blocks.
    pub(crate) fn draft(&self, bundle: &VerifiedBundle) -> io::Result<Draft> {
        fs::create_dir_all(&self.folder)?;
        let lock = self.sweep();
        let written = tempfile::Builder::new().prefix(WRITING).tempdir_in(&self.folder)?;
        for (name, content) in bundle.files() {
            fs::write(written.path().join(name), content)?;
        }
        let entry = self.folder.join(bundle.digest().to_string());
        Ok(Draft { cache: self.clone(), entry, written, _lock: lock })
    }

    /// Remove the drafts of processes that were killed, unless another one is writing now, and take part
    /// in the lock.
    fn sweep(&self) -> Option<File> {
        let lock = File::create(self.folder.join(LOCK)).ok()?;
        if lock.try_lock().is_ok() {
            self.remove_drafts(Duration::ZERO);
        }
        lock.lock_shared().ok()?;
        Some(lock)
    }

    fn remove_drafts(&self, older_than: Duration) {
        for (name, modified) in list(&self.folder) {
            let old = modified.elapsed().is_ok_and(|age| age >= older_than);
            if old && name.starts_with(WRITING) {
                remove(&self.folder.join(name));
            }
        }
    }

    /// The folder of the entry for the `bundle.json` with this checksum, whether it is there or not.
    pub(crate) fn entry(&self, digest: &Sha256Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn prune(&self) {
        for (digest, _) in self.newest_first().iter().skip(KEPT) {
            remove(&self.folder.join(digest.to_string()));
        }
        self.remove_drafts(ABANDONED);
    }

    fn newest_first(&self) -> Vec<(Sha256Digest, SystemTime)> {
        let digest = |(name, modified): (String, _)| Some((name.parse().ok()?, modified));
        let mut entries: Vec<_> = list(&self.folder).into_iter().filter_map(digest).collect();
        entries.sort_by_key(|&(_, modified)| std::cmp::Reverse(modified));
        entries
    }
}

impl Draft {
    /// Make it an entry, and remove what is old. Blocks.
    pub(crate) fn commit(self) -> io::Result<()> {
        match fs::rename(self.written.path(), &self.entry) {
            // Another process was faster, or the entry lacks the graph that was downloaded.
            Err(_) if self.entry.exists() => self.add_missing_files()?,
            renamed => renamed?,
        }
        self.cache.prune();
        Ok(())
    }

    fn add_missing_files(&self) -> io::Result<()> {
        for (name, _) in list(self.written.path()) {
            let file = self.entry.join(&name);
            if !file.is_file() {
                if file.exists() {
                    remove(&file);
                }
                fs::rename(self.written.path().join(&name), file)?;
            }
        }
        Ok(())
    }
}

/// Names and times of what is in `folder`; nothing where it cannot be read.
fn list(folder: &Path) -> Vec<(String, SystemTime)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let describe = |entry: fs::DirEntry| {
        Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.modified().ok()?))
    };
    entries.filter_map(Result::ok).filter_map(describe).collect()
}

fn discard(entry: &Path, error: &LoadError) {
    tracing::warn!(entry = %entry.display(), %error, "a cache entry cannot be used");
    // A disk that cannot be read now may be read later; wrong content stays wrong.
    if error.kind() != FailureKind::Unreachable {
        remove(entry);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "cannot be removed from the cache");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::verify::Hashed;
    use crate::verify::tests::describe;

    const LIMIT: u64 = 1 << 20;

    fn write(cache: &Cache, bundle: &VerifiedBundle) {
        cache.draft(bundle).unwrap().commit().unwrap();
    }

    fn read(cache: &Cache, digest: &Sha256Digest) -> Option<VerifiedBundle> {
        cache.read(cache.manifest(digest)?, Graph::Portable, LIMIT)
    }

    fn read_newest(cache: &Cache) -> Option<VerifiedBundle> {
        cache.digests().iter().find_map(|digest| read(cache, digest))
    }

    fn model(bundle: VerifiedBundle) -> Bytes {
        bundle.into_content().2
    }

    fn bundle(model: &[u8]) -> VerifiedBundle {
        let text = Hashed::of(describe(b"cat\n", model));
        let manifest = VerifiedManifest::verify(text, None).unwrap();
        let (labels, model) = (Hashed::of(b"cat\n".to_vec()), Hashed::of(model.to_vec()));
        manifest.complete(labels, Graph::Portable, model).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_for_the_same_uri_only() {
        let root = tempfile::tempdir().unwrap();
        let (cache, bundle) = (Cache::new(root.path(), "s3://a/b"), bundle(b"weights"));
        assert!(!cache.has_entries());
        write(&cache, &bundle);
        write(&cache, &bundle);
        assert!(cache.has_entries());
        assert_eq!(model(read(&cache, &bundle.digest()).unwrap()), &b"weights"[..]);
        assert!(!Cache::new(root.path(), "s3://a/c").has_entries());
    }

    #[test]
    fn a_corrupt_entry_is_not_served_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let (cache, bundle) = (Cache::new(root.path(), "uri"), bundle(b"weights"));
        write(&cache, &bundle);
        let entry = cache.folder.join(bundle.digest().to_string());
        fs::write(entry.join(Graph::Portable.file()), b"weighty").unwrap();
        assert!(read(&cache, &bundle.digest()).is_none());
        assert!(!cache.has_entries());
    }

    #[test]
    fn an_unfinished_write_is_not_an_entry() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path(), "uri");
        fs::create_dir_all(cache.folder.join(format!("{WRITING}x"))).unwrap();
        assert!(!cache.has_entries());
        assert!(read_newest(&cache).is_none());
    }

    #[test]
    fn a_draft_that_is_not_committed_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (cache, bundle) = (Cache::new(root.path(), "uri"), bundle(b"weights"));
        let draft = cache.draft(&bundle).unwrap();
        assert_eq!(drafts(&cache), 1);
        assert!(!cache.has_entries());
        drop(draft);
        assert_eq!(drafts(&cache), 0);
    }

    #[test]
    fn drafts_of_killed_processes_are_removed_and_those_of_live_ones_are_not() {
        let root = tempfile::tempdir().unwrap();
        let (cache, bundle) = (Cache::new(root.path(), "uri"), bundle(b"weights"));
        for number in 0..5 {
            fs::create_dir_all(cache.folder.join(format!("{WRITING}{number}"))).unwrap();
        }
        let live = cache.draft(&bundle).unwrap();
        assert_eq!(drafts(&cache), 1);
        let other = cache.draft(&bundle).unwrap();
        assert_eq!(drafts(&cache), 2);
        drop(other);
        live.commit().unwrap();
        assert!(cache.has_entries());
        assert_eq!(drafts(&cache), 0);
    }

    fn drafts(cache: &Cache) -> usize {
        list(&cache.folder).iter().filter(|(name, _)| name.starts_with(WRITING)).count()
    }

    #[test]
    fn an_entry_without_the_wanted_graph_gets_it_and_keeps_the_other() {
        let root = tempfile::tempdir().unwrap();
        let (cache, bundle) = (Cache::new(root.path(), "uri"), bundle(b"weights"));
        write(&cache, &bundle);
        let entry = cache.entry(&bundle.digest());
        fs::rename(entry.join(Graph::Portable.file()), entry.join(Graph::Cpu.file())).unwrap();
        assert!(read(&cache, &bundle.digest()).is_none());
        assert!(cache.has_entries());
        write(&cache, &bundle);
        assert!(read(&cache, &bundle.digest()).is_some());
        assert!(entry.join(Graph::Cpu.file()).exists());
    }

    #[test]
    fn the_two_newest_versions_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path(), "uri");
        let bundles: Vec<_> = (b'1'..=b'4').map(|version| bundle(&[version])).collect();
        for bundle in &bundles {
            write(&cache, bundle);
            std::thread::sleep(Duration::from_millis(20));
        }
        let kept = |bundle: &VerifiedBundle| read(&cache, &bundle.digest()).is_some();
        assert_eq!(bundles.iter().map(kept).collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(model(read_newest(&cache).unwrap()), &b"4"[..]);
        // Rolled back: the older one serves, and is the one to go on with.
        cache.touch(&bundles[2].digest());
        assert_eq!(model(read_newest(&cache).unwrap()), &b"3"[..]);
        std::thread::sleep(Duration::from_millis(20));
        write(&cache, &bundles[0]);
        assert_eq!(bundles.iter().map(kept).collect::<Vec<_>>(), [true, false, true, false]);
    }
}
