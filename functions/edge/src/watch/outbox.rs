//! The sorted output: one folder per label, into which pictures that are done are moved.
//!
//! The line of a picture is on the disk before it is moved, a move is one step of the file system,
//! and nothing is ever overwritten. Where the outbox is on another disk, the picture is copied whole
//! before its original is removed; after a crash between the two the copy is known again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{self, Path, PathBuf};

use glimpse_settings::SettingError;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::Error;
use crate::stamp::Stamp;

const BROKEN: &str = "_broken";
const UNLABELLED: &str = "unlabelled";
/// A label may be longer than a file's name can be.
const LONGEST_NAME: usize = 100;

/// Where the label folders are.
pub struct Outbox(PathBuf);

/// Which of its folders a picture belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// That of its label, of several the best one that it has.
    Label(String),
    /// It has none of the labels of a multi-label model.
    Unlabelled,
    /// It has no result.
    Broken,
}

impl Destination {
    /// By the best label, if there is a result, and by those that the picture has, if it may have
    /// several.
    pub fn of(best: Option<String>, given: Option<Vec<String>>) -> Self {
        match (best, given) {
            (_, Some(given)) => given.into_iter().next().map_or(Self::Unlabelled, Self::Label),
            (Some(label), None) => Self::Label(label),
            (None, None) => Self::Broken,
        }
    }

    fn folder(&self) -> String {
        match self {
            Self::Label(label) => folder_name(label),
            Self::Unlabelled => UNLABELLED.to_owned(),
            Self::Broken => BROKEN.to_owned(),
        }
    }
}

impl Outbox {
    /// Make the folder where it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is inside the `watched` folder: pictures would be seen again.
    pub fn new(to: &Path, watched: &Path) -> Result<Self, Error> {
        let outside = |folder: &Path| {
            if !folder.starts_with(watched) {
                return Ok(());
            }
            Err(Error::Setting(SettingError::invalid(
                "--move-to (GLIMPSE_MOVE_TO)",
                to.display().to_string(),
                "a folder outside the watched one",
            )))
        };
        let absolute = path::absolute(to).map_err(Error::path("use the folder", to))?;
        // Looked at before it is made, so that what is refused is not left behind, and after: only
        // then is it known where `..` behind a folder that is not there yet leads to.
        if let Some(above) = absolute.ancestors().find_map(|above| above.canonicalize().ok()) {
            outside(&above)?;
        }
        fs::create_dir_all(to).map_err(Error::path("make the folder", to))?;
        let root = to.canonicalize().map_err(Error::path("use the folder", to))?;
        outside(&root)?;
        Ok(Self(root))
    }

    /// Move a picture to its folder.
    ///
    /// One that is not as it was at `stamp` is another picture, which stays to be classified.
    ///
    /// # Errors
    /// When the file system refuses; the picture stays where it is.
    pub fn put(&self, picture: &Path, stamp: Stamp, to: &Destination) -> io::Result<()> {
        let folder = self.0.join(to.folder());
        fs::create_dir_all(&folder)?;
        if Stamp::of(picture) != Some(stamp) {
            return Ok(());
        }
        for number in 0.. {
            let target = folder.join(numbered(picture, number));
            match renameat_with(CWD, picture, CWD, &target, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS) if target.exists() => {
                    if is_copy(picture, &target)? {
                        return fs::remove_file(picture);
                    }
                }
                // Another disk, or a file system that cannot refuse to overwrite.
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS) => return copy(picture, &target),
                done => return Ok(done?),
            }
        }
        Ok(())
    }
}

/// `cat.jpg`, `cat-1.jpg`, `cat-2.jpg`, …
fn numbered(picture: &Path, number: usize) -> PathBuf {
    let name = picture.file_name().unwrap_or_default();
    if number == 0 {
        return name.into();
    }
    let mut numbered = picture.file_stem().unwrap_or_default().to_owned();
    numbered.push(format!("-{number}"));
    if let Some(ending) = picture.extension() {
        numbered.push(".");
        numbered.push(ending);
    }
    numbered.into()
}

/// A label as the name of a folder: labels come with the model and may hold anything.
fn folder_name(label: &str) -> String {
    let safe = |character: char| {
        if character == '/' || character == '\\' || character.is_control() {
            '_'
        } else {
            character
        }
    };
    let mut name: String = label.trim_start_matches('.').chars().map(safe).collect();
    while name.len() > LONGEST_NAME {
        name.pop();
    }
    if name.is_empty() || [BROKEN, UNLABELLED].contains(&&*name) {
        name.insert(0, '_');
    }
    name
}

fn copy(picture: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut writing = tempfile::Builder::new().prefix(".glimpse-").tempfile_in(folder)?;
    let mut original = File::open(picture)?;
    io::copy(&mut original, writing.as_file_mut())?;
    writing.as_file().set_modified(original.metadata()?.modified()?)?;
    writing.as_file().sync_all()?;
    writing.persist_noclobber(target)?;
    File::open(folder)?.sync_all()?;
    fs::remove_file(picture)
}

fn is_copy(picture: &Path, target: &Path) -> io::Result<bool> {
    let (one, other) = (picture.metadata()?, target.metadata()?);
    let alike = one.len() == other.len() && one.modified()? == other.modified()?;
    // Raw pictures of one size are of one length, and some disks know only every second second.
    Ok(alike && same_bytes(File::open(picture)?, File::open(target)?)?)
}

fn same_bytes(mut one: File, mut other: File) -> io::Result<bool> {
    const PART: u64 = 1 << 20;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        ours.clear();
        theirs.clear();
        one.by_ref().take(PART).read_to_end(&mut ours)?;
        other.by_ref().take(PART).read_to_end(&mut theirs)?;
        if ours != theirs || ours.is_empty() {
            return Ok(ours == theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cat() -> Destination {
        Destination::Label("cat".to_owned())
    }

    #[test]
    fn no_picture_is_overwritten() {
        let (watched, outbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outbox_root = outbox.path().join("outbox");
        let put = |content: &str| {
            let picture = watched.path().join("a.b.jpg");
            fs::write(&picture, content).unwrap();
            let stamp = Stamp::of(&picture).unwrap();
            let outbox = Outbox::new(&outbox_root, watched.path()).unwrap();
            outbox.put(&picture, stamp, &cat()).unwrap();
            assert!(!picture.exists());
        };
        put("one");
        put("two");
        let content = |name| fs::read_to_string(outbox_root.join("cat").join(name)).unwrap();
        assert_eq!((content("a.b.jpg"), content("a.b-1.jpg")), ("one".into(), "two".into()));
    }

    #[test]
    fn a_picture_that_was_replaced_meanwhile_stays() {
        let (watched, outbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let picture = watched.path().join("snapshot.jpg");
        fs::write(&picture, "classified").unwrap();
        let stamp = Stamp::of(&picture).unwrap();
        fs::write(&picture, "the next one").unwrap();
        let to = Outbox::new(outbox.path(), watched.path()).unwrap();
        to.put(&picture, stamp, &cat()).unwrap();
        assert_eq!(fs::read_to_string(&picture).unwrap(), "the next one");
    }

    #[test]
    fn an_outbox_inside_the_watched_folder_is_refused() {
        let watched = tempfile::tempdir().unwrap();
        let root = watched.path().canonicalize().unwrap();
        assert!(Outbox::new(&root.join("outbox"), &root).is_err());
    }

    #[test]
    fn no_label_leaves_the_outbox() {
        for (label, name) in [
            ("tabby cat", "tabby cat"),
            ("../../etc", "_.._etc"),
            ("a/b\\c\0", "a_b_c_"),
            ("..", "_"),
            ("_broken", "__broken"),
            ("unlabelled", "_unlabelled"),
        ] {
            assert_eq!(folder_name(label), name);
        }
        assert!(folder_name(&"ü".repeat(300)).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_copy_on_another_disk_is_whole_and_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let (picture, target) = (folder.path().join("a.jpg"), folder.path().join("b.jpg"));
        fs::write(&picture, "picture").unwrap();
        let time = picture.metadata().unwrap().modified().unwrap();
        copy(&picture, &target).unwrap();
        assert!(!picture.exists());
        fs::write(&picture, "picture").unwrap();
        assert!(!is_copy(&picture, &target).unwrap());
        let at_that_time = |content: &str| {
            fs::write(&picture, content).unwrap();
            File::options().append(true).open(&picture).unwrap().set_modified(time).unwrap();
        };
        at_that_time("picture");
        assert!(is_copy(&picture, &target).unwrap());
        at_that_time("another");
        assert!(!is_copy(&picture, &target).unwrap());
    }
}
