//! From what the command line names to single pictures, one at a time and in order.

use std::ffi::{OsStr, OsString};
use std::iter::once;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::name::Name;

use super::{Bucket, Failure, Item, LeftOut, Source, is_hidden, is_picture};

type Items<'a> = Box<dyn Iterator<Item = Item> + Send + 'a>;

/// All that `arguments` name. What is in a folder or under a prefix and is not a picture is counted in
/// `left_out`. Blocks on the file system and, for prefixes, on S3.
pub fn expand<'a>(
    arguments: &'a [OsString],
    s3: &'a Bucket,
    left_out: &'a LeftOut,
) -> impl Iterator<Item = Item> + Send + 'a {
    arguments.iter().flat_map(move |argument| one(argument, s3, left_out))
}

fn one<'a>(argument: &'a OsStr, s3: &'a Bucket, left_out: &'a LeftOut) -> Items<'a> {
    let path = Path::new(argument);
    let text = argument.to_str();
    if argument == "-" {
        return Box::new(once(Ok(Source::Stdin)));
    }
    if let Some(location) = text.and_then(|text| text.strip_prefix("s3://")) {
        let (bucket, key) = location.split_once('/').unwrap_or((location, ""));
        if key.is_empty() || key.ends_with('/') {
            return some(argument, s3.list(bucket, key, left_out));
        }
        return Box::new(once(Ok(Source::Object { bucket: bucket.into(), key: key.into() })));
    }
    if path.is_dir() {
        return walk(path, left_out);
    }
    let is_remote = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    if text.is_some_and(is_remote) && !path.exists() {
        return Box::new(once(Err((path.into(), Failure::Remote))));
    }
    // A file may have a name that looks like a glob.
    match text.filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) if !path.exists() => some(argument, matching(pattern, left_out)),
        _ => Box::new(once(Ok(Source::File(path.to_owned())))),
    }
}

/// The items; an empty list is an error.
fn some<'a>(argument: &OsStr, items: impl Iterator<Item = Item> + Send + 'a) -> Items<'a> {
    let name = Path::new(argument).into();
    let mut items = items.peekable();
    match items.peek() {
        Some(_) => Box::new(items),
        None => Box::new(once(Err((name, Failure::NoMatch)))),
    }
}

fn matching<'a>(pattern: &str, left_out: &'a LeftOut) -> Items<'a> {
    match glob::glob(pattern) {
        Ok(paths) => Box::new(paths.flat_map(move |path| -> Items<'a> {
            match path {
                Ok(path) if path.is_dir() => walk(&path, left_out),
                Ok(path) => Box::new(once(Ok(Source::File(path)))),
                Err(error) => {
                    let path = error.path().to_owned();
                    Box::new(once(Err(unreadable(&path, error))))
                }
            }
        })),
        Err(error) => {
            let failure = Failure::Unreadable(format!("invalid pattern: {error}").into());
            Box::new(once(Err((pattern.to_owned().into(), failure))))
        }
    }
}

/// The pictures in a folder and below, by name. An empty folder is not an error.
fn walk<'a>(folder: &Path, left_out: &LeftOut) -> Items<'a> {
    let left_out = left_out.clone();
    let items = entries(folder, None, &left_out).filter_map(move |entry| match entry {
        Ok(entry) => picture(entry, &left_out).map(|path| Ok(Source::File(path))),
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

/// The pictures in a folder and below, by name; what cannot be read is skipped.
/// Links that lead out of `root` are not followed.
pub fn pictures_in(
    folder: &Path,
    root: &Path,
    left_out: &LeftOut,
) -> impl Iterator<Item = PathBuf> + use<> {
    let left_out = left_out.clone();
    let entries = entries(folder, Some(root), &left_out).filter_map(Result::ok);
    entries.filter_map(move |entry| picture(entry, &left_out))
}

fn entries(
    folder: &Path,
    root: Option<&Path>,
    left_out: &LeftOut,
) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> + use<> {
    let (left_out, root) = (left_out.clone(), root.map(Path::to_owned));
    let shown = move |entry: &walkdir::DirEntry| {
        if entry.depth() == 0 {
            return true;
        }
        let leaves = |root: &PathBuf| entry.path_is_symlink() && !is_inside(entry.path(), root);
        if is_hidden(entry.path()) {
            left_out.add_hidden();
        } else if root.as_ref().is_some_and(leaves) {
            left_out.add_link();
        } else {
            return true;
        }
        false
    };
    let all = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    all.into_iter().filter_entry(shown)
}

/// Whether the path, all links followed, is in `root`.
pub fn is_inside(path: &Path, root: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| real.starts_with(root))
}

fn picture(entry: walkdir::DirEntry, left_out: &LeftOut) -> Option<PathBuf> {
    if !entry.file_type().is_file() {
        return None;
    }
    if !is_picture(entry.path()) {
        left_out.add(entry.path());
        return None;
    }
    Some(entry.into_path())
}

fn unreadable(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> (Name, Failure) {
    (path.into(), Failure::Unreadable(error.into()))
}
