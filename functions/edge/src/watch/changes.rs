//! Changes of a folder as the system reports them (inotify), translated for `watch`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::debounce::State;
use crate::error::Error;
use crate::source::is_picture;

/// One thing that happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// To a picture.
    File {
        /// Which one.
        path: PathBuf,
        /// What it means for the writer.
        state: State,
    },
    /// A folder appeared; what it already holds was not reported.
    Folder(PathBuf),
    /// Some changes were not reported.
    Missed,
}

/// The changes of one folder and all below.
pub struct Changes {
    _watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
}

impl Changes {
    /// Report changes from now on.
    ///
    /// # Errors
    /// When the folder cannot be watched, or too many are (`fs.inotify.max_user_watches`).
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Watch { path: folder.to_owned(), source };
        let (sender, events) = channel();
        // A link could lead out of the folder.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(sender, config).map_err(failed)?;
        watcher.watch(folder, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Self { _watcher: watcher, events })
    }

    /// What happened since, waiting up to `timeout` for a first change; `None` once it has ended.
    pub fn next(&self, timeout: Duration) -> Option<Vec<Change>> {
        match self.events.recv_timeout(timeout) {
            Ok(first) => {
                let all = std::iter::once(first).chain(self.events.try_iter());
                Some(all.flat_map(translate).collect())
            }
            Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

fn translate(event: notify::Result<Event>) -> Option<Change> {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        Ok(_) => return Some(Change::Missed),
        Err(error) => {
            tracing::warn!(%error, "changes may have been missed");
            return Some(Change::Missed);
        }
    };
    let state = match event.kind {
        EventKind::Create(_) => State::Created,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => State::Writing,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        | EventKind::Access(AccessKind::Close(AccessMode::Write)) => State::Closed,
        _ => return None,
    };
    // Of a rename's two names the last one is the new one.
    let path = event.paths.into_iter().next_back()?;
    if state != State::Writing && path.is_dir() {
        return Some(Change::Folder(path));
    }
    is_picture(&path).then_some(Change::File { path, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: EventKind, paths: &[&str]) -> Option<Change> {
        let event = Event::new(kind);
        translate(Ok(paths.iter().fold(event, |event, path| event.add_path(path.into()))))
    }

    #[test]
    fn a_rename_makes_the_new_name_whole() {
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let expected = Change::File { path: "b.jpg".into(), state: State::Closed };
        assert_eq!(change(both, &[".b.jpg.part", "b.jpg"]), Some(expected));
        assert_eq!(change(both, &["a.jpg", "a.bak"]), None);
        assert_eq!(change(EventKind::Modify(ModifyKind::Name(RenameMode::From)), &["a.jpg"]), None);
    }

    #[test]
    fn a_gap_in_the_reports_is_noticed() {
        let gap = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(translate(Ok(gap)), Some(Change::Missed));
    }
}
