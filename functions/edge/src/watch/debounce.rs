//! Holds pictures back until their writers are done with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::stamp::Stamp;

/// A writer that neither writes nor closes for this long is taken to be gone.
const ABANDONED: Duration = Duration::from_secs(60);
/// After a close there is rarely more to come: this part of the usual wait is enough.
const CLOSED_PART: u32 = 10;

/// What is known of a picture's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may have one: the picture was just made, or found.
    Created,
    /// It has one.
    Writing,
    /// It has none any more.
    Closed,
}

struct Pending {
    state: State,
    stamp: Option<Stamp>,
    since: Instant,
}

/// Pictures that may not be whole yet.
pub struct Debounce {
    quiet: Duration,
    pending: BTreeMap<PathBuf, Pending>,
}

impl Debounce {
    /// `quiet`: how long a picture must not have changed when its writer was not seen to close it.
    pub fn new(quiet: Duration) -> Self {
        Self { quiet, pending: BTreeMap::new() }
    }

    /// Something happened to the picture at `path`.
    pub fn touched(&mut self, path: PathBuf, state: State) {
        let state = match self.pending.get(&path) {
            // A name that comes for a second time says nothing of a writer who was seen.
            Some(pending) if state == State::Created => pending.state,
            _ => state,
        };
        let stamp = Stamp::of(&path);
        self.pending.insert(path, Pending { state, stamp, since: Instant::now() });
    }

    /// The picture at `path` was found; what is already known of it holds.
    pub fn found(&mut self, path: PathBuf, stamp: Stamp) {
        let now = Instant::now();
        // A picture that has not changed for long is not being written.
        let age = unchanged_for(&path).filter(|age| *age >= self.quiet);
        let since = age.and(now.checked_sub(self.quiet)).unwrap_or(now);
        let pending = Pending { state: State::Created, stamp: Some(stamp), since };
        self.pending.entry(path).or_insert(pending);
    }

    /// Up to `most` pictures that are whole; they are not pending any more.
    pub fn due(&mut self, now: Instant, most: usize) -> Vec<PathBuf> {
        let mut whole = Vec::new();
        let mut gone = Vec::new();
        for (path, pending) in &mut self.pending {
            if whole.len() == most {
                break;
            }
            if now.saturating_duration_since(pending.since) < pending.wait(self.quiet) {
                continue;
            }
            match Stamp::of(path) {
                None => gone.push(path.clone()),
                found if found == pending.stamp => whole.push(path.clone()),
                changed => {
                    pending.stamp = changed;
                    pending.since = now;
                }
            }
        }
        for path in gone.iter().chain(&whole) {
            self.pending.remove(path);
        }
        whole
    }
}

impl Pending {
    fn wait(&self, quiet: Duration) -> Duration {
        let empty = self.stamp.as_ref().is_none_or(|stamp| stamp.bytes == 0);
        match self.state {
            State::Writing => ABANDONED,
            // Made, and nothing written yet.
            State::Created if empty => ABANDONED,
            State::Created => quiet,
            State::Closed => quiet / CLOSED_PART,
        }
    }
}

fn unchanged_for(path: &Path) -> Option<Duration> {
    path.metadata().ok()?.modified().ok()?.elapsed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const QUIET: Duration = Duration::from_secs(2);

    fn scene(content: &[u8]) -> (tempfile::TempDir, PathBuf, Debounce) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        fs::write(&path, content).unwrap();
        (folder, path, Debounce::new(QUIET))
    }

    fn after(wait: Duration) -> Instant {
        Instant::now() + wait
    }

    #[test]
    fn a_closed_picture_is_whole_soon_and_once() {
        let (_folder, path, mut debounce) = scene(b"picture");
        debounce.touched(path.clone(), State::Closed);
        assert_eq!(debounce.due(after(QUIET / CLOSED_PART), 8), [path]);
        assert!(debounce.due(after(2 * ABANDONED), 8).is_empty());
    }

    #[test]
    fn a_slow_writer_is_waited_for_until_it_closes() {
        let (_folder, path, mut debounce) = scene(b"pict");
        debounce.touched(path.clone(), State::Created);
        debounce.touched(path.clone(), State::Writing);
        assert!(debounce.due(after(5 * QUIET), 8).is_empty());
        debounce.touched(path.clone(), State::Closed);
        assert_eq!(debounce.due(after(QUIET), 8), [path]);
    }

    #[test]
    fn a_writer_that_is_gone_does_not_hold_its_picture_for_ever() {
        let (_folder, path, mut debounce) = scene(b"pict");
        debounce.touched(path.clone(), State::Writing);
        assert_eq!(debounce.due(after(ABANDONED), 8), [path]);
    }

    #[test]
    fn a_found_picture_that_still_changes_is_looked_at_again() {
        let (_folder, path, mut debounce) = scene(b"pict");
        debounce.found(path.clone(), Stamp::of(&path).unwrap());
        fs::write(&path, b"picture").unwrap();
        assert!(debounce.due(after(QUIET), 8).is_empty());
        assert_eq!(debounce.due(after(3 * QUIET), 8), [path]);
    }

    #[test]
    fn an_old_picture_is_whole_at_once_and_a_removed_one_is_forgotten() {
        let (_folder, path, mut debounce) = scene(b"picture");
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * QUIET).unwrap();
        debounce.found(path.clone(), Stamp::of(&path).unwrap());
        assert_eq!(debounce.due(Instant::now(), 8), std::slice::from_ref(&path));
        debounce.touched(path.clone(), State::Closed);
        fs::remove_file(&path).unwrap();
        assert!(debounce.due(after(ABANDONED), 8).is_empty());
    }
}
