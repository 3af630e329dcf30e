//! From what the command line names to single pictures, one at a time and in order.

use std::ffi::{OsStr, OsString};
use std::iter::once;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{Bucket, Failure, Source, is_hidden, is_picture};

/// A picture, or the name of what is none and why.
pub type Item = Result<Source, (String, Failure)>;

type Items<'a> = Box<dyn Iterator<Item = Item> + Send + 'a>;

/// All that `arguments` name. Blocks on the file system and, for prefixes, on S3.
pub fn expand<'a>(
    arguments: &'a [OsString],
    s3: &'a Bucket,
) -> impl Iterator<Item = Item> + Send + 'a {
    arguments.iter().flat_map(move |argument| one(argument, s3))
}

fn one<'a>(argument: &'a OsStr, s3: &'a Bucket) -> Items<'a> {
    let path = Path::new(argument);
    let text = argument.to_str();
    if argument == "-" {
        return Box::new(once(Ok(Source::Stdin)));
    }
    if let Some(location) = text.and_then(|text| text.strip_prefix("s3://")) {
        let (bucket, key) = location.split_once('/').unwrap_or((location, ""));
        if key.is_empty() || key.ends_with('/') {
            return some(argument, s3.list(bucket, key));
        }
        return Box::new(once(Ok(Source::Object { bucket: bucket.into(), key: key.into() })));
    }
    if path.is_dir() {
        return walk(path);
    }
    let is_remote = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    if text.is_some_and(is_remote) && !path.exists() {
        return Box::new(once(Err((argument.to_string_lossy().into_owned(), Failure::Remote))));
    }
    // A file may have a name that looks like a glob.
    match text.filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) if !path.exists() => some(argument, matching(pattern)),
        _ => Box::new(once(Ok(Source::File(path.to_owned())))),
    }
}

/// The items, or that there are none.
fn some<'a>(argument: &OsStr, items: impl Iterator<Item = Item> + Send + 'a) -> Items<'a> {
    let name = argument.to_string_lossy().into_owned();
    let mut items = items.peekable();
    match items.peek() {
        Some(_) => Box::new(items),
        None => Box::new(once(Err((name, Failure::NoMatch)))),
    }
}

fn matching<'a>(pattern: &str) -> Items<'a> {
    match glob::glob(pattern) {
        Ok(paths) => Box::new(paths.flat_map(|path| -> Items<'a> {
            match path {
                Ok(path) if path.is_dir() => walk(&path),
                Ok(path) => Box::new(once(Ok(Source::File(path)))),
                Err(error) => Box::new(once(Err(unreadable(&error.path().to_owned(), error)))),
            }
        })),
        Err(error) => {
            let failure = Failure::Unreadable(format!("it is no pattern: {error}").into());
            Box::new(once(Err((pattern.to_owned(), failure))))
        }
    }
}

/// The pictures in a folder and below, by name. None is no error: a folder may be empty for a while.
fn walk<'a>(folder: &Path) -> Items<'a> {
    let items = entries(folder).filter_map(|entry| match entry {
        Ok(entry) if is_file(&entry) => Some(Ok(Source::File(entry.into_path()))),
        Ok(_) => None,
        Err(error) => {
            let path = error.path().map(PathBuf::from).unwrap_or_default();
            Some(Err(unreadable(&path, error)))
        }
    });
    let mut items = items.peekable();
    if items.peek().is_none() {
        tracing::warn!(folder = %folder.display(), "there are no pictures in the folder");
    }
    Box::new(items)
}

/// The pictures in a folder and below, by name; what cannot be read is left out.
pub fn pictures_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let files = entries(folder).filter_map(Result::ok).filter(is_file);
    files.map(walkdir::DirEntry::into_path)
}

fn entries(folder: &Path) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> + use<> {
    let shown = |entry: &walkdir::DirEntry| entry.depth() == 0 || !is_hidden(entry.path());
    let all = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    all.into_iter().filter_entry(shown)
}

fn is_file(entry: &walkdir::DirEntry) -> bool {
    entry.file_type().is_file() && is_picture(entry.path())
}

fn unreadable(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> (String, Failure) {
    (path.display().to_string(), Failure::Unreadable(error.into()))
}
