//! The output, which is also the record of what is done.
//!
//! A line is written in one piece and is on the disk (`fdatasync`) before anything else happens to
//! its picture. What a crash left of a last line is cut off at the next start, and its picture is
//! classified then; a torn line in the middle is skipped with a warning. So are zeros, which a power
//! failure leaves in the place of what was not written. Nothing that looks like another program's file
//! is touched. A long output is rotated: lines of pictures that are gone from
//! the folder stay in the old file alone.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::name::Name;
use crate::stamp::Stamp;

use super::outbox::Destination;
use super::rotation::{Rotated, rotate};

/// Every line begins so.
const BEGINNING: &[u8] = b"{\"file\":";

/// A picture in one state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Key {
    /// Its path within the folder.
    #[serde(flatten)]
    pub name: Name,
    /// Its size and time.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// What of a line is needed again.
#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    key: Key,
    label: Option<String>,
    labels: Option<Vec<Given>>,
}

/// A label that the picture has.
#[derive(Deserialize)]
struct Given {
    label: String,
}

impl Line {
    fn done(self) -> (Key, Destination) {
        let given = |labels: Vec<Given>| labels.into_iter().map(|given| given.label).collect();
        (self.key, Destination::of(self.label, self.labels.map(given)))
    }
}

/// The output, open for appending by this process only.
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// The length from which it is rotated; `None` for never.
    rotate_at: Option<u64>,
    done: HashMap<Key, Destination>,
}

impl Journal {
    /// Open the output, or make it; read what is done; cut a torn last line off.
    ///
    /// # Errors
    /// When it cannot be used, is in use, or is not an output of `watch`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::options().read(true).append(true).create(true).open(path);
        let file = file.map_err(Error::path("open the output", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(Error::path("lock", path)(error)),
        }
        let (path, done) = (path.to_owned(), HashMap::new());
        let mut journal = Self { path, file, bytes: 0, rotate_at: None, done };
        journal.read()?;
        Ok(journal)
    }

    fn read(&mut self) -> Result<(), Error> {
        let mut reader = BufReader::new(&self.file);
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            let read = read.map_err(Error::path("read the output", &self.path))?;
            let foreign = || Error::Foreign { path: self.path.clone(), line };
            if text.last() != Some(&b'\n') {
                if !BEGINNING.starts_with(&text) && !is_begun(&text, line) {
                    return Err(foreign());
                }
                break;
            }
            let whole = match serde_json::from_slice(&text) {
                Ok(whole) => Some(whole),
                Err(error) if line > 1 && is_begun(&text, line) && !error.is_data() => {
                    tracing::warn!(line, "a torn line is skipped; its picture is classified again");
                    whole_end(&text)
                }
                Err(_) => return Err(foreign()),
            };
            self.done.extend(whole.map(Line::done));
            self.bytes += read as u64;
        }
        if !text.is_empty() {
            tracing::warn!(bytes = text.len(), "cutting off a line that was not finished");
            self.cut()?;
        }
        Ok(())
    }

    /// Pictures that are done.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether this picture is done.
    pub fn has(&self, key: &Key) -> bool {
        self.done.contains_key(key)
    }

    /// Where a picture that is done belongs.
    pub fn destination(&self, key: &Key) -> Option<&Destination> {
        self.done.get(key)
    }

    /// Add pictures with their destinations and lines. They are on the disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written; then none of them is.
    pub fn append(
        &mut self,
        entries: impl Iterator<Item = (Key, Destination, Vec<u8>)>,
    ) -> Result<(), Error> {
        let mut lines = Vec::new();
        let mut done = Vec::new();
        for (key, destination, line) in entries {
            lines.extend(line);
            done.push((key, destination));
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.cut()?;
            return Err(Error::path("write to the output", &self.path)(error));
        }
        self.bytes += lines.len() as u64;
        self.done.extend(done);
        Ok(())
    }

    /// Rotate the output once it is longer than `limit` bytes; afterwards `limit` counts from what was
    /// kept. Only pictures that are `there` are remembered.
    ///
    /// # Errors
    /// When the new output cannot be written; the old one is then used further.
    pub fn rotate_over(&mut self, limit: u64, there: impl Fn(&Key) -> bool) -> Result<(), Error> {
        if self.bytes <= *self.rotate_at.get_or_insert(limit) {
            return Ok(());
        }
        // Not again at once, if it fails.
        self.rotate_at = Some(self.bytes.saturating_add(limit));
        let needed =
            |line: &[u8]| serde_json::from_slice(line).is_ok_and(|Line { key, .. }| there(&key));
        let Rotated { file, bytes, old } = rotate(&self.path, needed)?;
        self.done.retain(|key, _| there(key));
        tracing::info!(old = %old.display(), kept = self.done.len(), "the output is rotated");
        self.rotate_at = Some(bytes.saturating_add(limit));
        (self.file, self.bytes) = (file, bytes);
        Ok(())
    }

    fn cut(&self) -> Result<(), Error> {
        self.file.set_len(self.bytes).map_err(Error::path("shorten the output", &self.path))
    }
}

/// Whether the text is the beginning of a line of ours, or zeros in its place behind one of ours.
fn is_begun(text: &[u8], line: usize) -> bool {
    text.starts_with(BEGINNING) || (line > 1 && text.starts_with(b"\0"))
}

/// The whole line that was appended to a torn one, if there is one.
fn whole_end(torn: &[u8]) -> Option<Line> {
    let start = torn.windows(BEGINNING.len()).rposition(|window| window == BEGINNING)?;
    serde_json::from_slice(&torn[start..]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const WHOLE: &str = "{\"file\":\"a.jpg\",\"bytes\":7,\"modified\":\"2026-01-01T00:00:00.5Z\",\"label\":\"cat\"}\n";

    fn key(file: &str, bytes: u64) -> Key {
        let stamp = format!(r#"{{"bytes":{bytes},"modified":"2026-01-01T00:00:00.5Z"}}"#);
        Key { name: file.to_owned().into(), stamp: serde_json::from_str(&stamp).unwrap() }
    }

    fn output(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.ndjson");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_whole_ones_are_remembered() {
        for torn in ["", "{", "{\"file\":\"b.jpg\",\"bytes\":7", "\0\0\0", "{\"file\":\"b\0\0"] {
            let (_folder, path) = output(&format!("{WHOLE}{torn}"));
            let mut journal = Journal::open(&path).unwrap();
            let cat = Destination::Label("cat".to_owned());
            assert_eq!(journal.destination(&key("a.jpg", 7)), Some(&cat));
            assert!(!journal.has(&key("a.jpg", 8)) && !journal.has(&key("b.jpg", 7)));
            let line = b"{\"file\":\"b.jpg\"}\n".to_vec();
            let broken = Destination::Broken;
            journal.append(std::iter::once((key("b.jpg", 7), broken, line))).unwrap();
            let content = fs::read_to_string(&path).unwrap();
            assert_eq!(content, format!("{WHOLE}{{\"file\":\"b.jpg\"}}\n"), "{torn}");
        }
    }

    #[test]
    fn of_several_labels_the_best_that_the_picture_has_is_remembered() {
        let label = |name: &str| Destination::Label(name.to_owned());
        for (labels, destination) in [
            (r#","labels":[]"#, Destination::Unlabelled),
            (r#","labels":[{"label":"dog"},{"label":"sofa"}]"#, label("dog")),
            ("", label("cat")),
        ] {
            let line = WHOLE.replace("\"cat\"", &format!("\"cat\"{labels}"));
            let (_folder, path) = output(&line);
            let journal = Journal::open(&path).unwrap();
            assert_eq!(journal.destination(&key("a.jpg", 7)), Some(&destination));
        }
    }

    #[test]
    fn a_torn_line_in_the_middle_costs_its_own_picture_only() {
        let whole = WHOLE.replace("a.jpg", "c.jpg");
        let begun = "{\"file\":\"b.jpg\",\"bytes\":7,\"mod";
        let torn = ["", "\n", "\0\0\0", "\0\0\0\n"].map(|gap| format!("{begun}{gap}"));
        for torn in torn.iter().map(String::as_str).chain(["\0\0\0", "\0\0\0\n"]) {
            let (_folder, path) = output(&format!("{WHOLE}{torn}{whole}{WHOLE}"));
            let journal = Journal::open(&path).unwrap();
            assert!(journal.has(&key("a.jpg", 7)) && journal.has(&key("c.jpg", 7)), "{torn:?}");
            assert!(!journal.has(&key("b.jpg", 7)));
        }
    }

    #[test]
    fn another_programs_file_is_refused_and_left_as_it_is() {
        let behind_ours = format!("{WHOLE}[]\n");
        for foreign in [
            "\u{0}\u{1}JFIF",
            "notes\n",
            "{\"file\":1}\n",
            "{\"settings\":1}",
            "{\n\"file\":1}",
            &behind_ours,
        ] {
            let (_folder, path) = output(foreign);
            assert!(matches!(Journal::open(&path), Err(Error::Foreign { .. })), "{foreign:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), *foreign);
        }
    }

    #[test]
    fn a_long_output_is_rotated_and_forgets_pictures_that_are_gone() {
        let gone = WHOLE.replace("a.jpg", "gone.jpg");
        let (_folder, path) = output(&format!("{WHOLE}{gone}"));
        let mut journal = Journal::open(&path).unwrap();
        let there = |found: &Key| *found == key("a.jpg", 7);
        journal.rotate_over(1000, there).unwrap();
        assert_eq!(journal.len(), 2, "it is short");
        let mut journal = {
            drop(journal);
            Journal::open(&path).unwrap()
        };
        journal.rotate_over(100, there).unwrap();
        assert_eq!((journal.len(), fs::read_to_string(&path).unwrap()), (1, WHOLE.to_owned()));
        let old = fs::read_to_string(path.with_extension("ndjson.1")).unwrap();
        assert_eq!(old, format!("{WHOLE}{gone}"));
        assert!(matches!(Journal::open(&path), Err(Error::InUse { .. })));
        journal.rotate_over(100, there).unwrap();
        assert!(!path.with_extension("ndjson.2").exists(), "100 more bytes are not there yet");
        let entry = (key("b.jpg", 7), Destination::Broken, gone.into_bytes());
        journal.append(std::iter::once(entry)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().len(), 2);
    }

    #[test]
    fn an_output_has_one_writer() {
        let (_folder, path) = output("");
        let _first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(Error::InUse { .. })));
    }
}
