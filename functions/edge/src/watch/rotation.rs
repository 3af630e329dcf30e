//! A new output in the place of one that has become long: it begins with the lines that are still
//! needed, and the old one stays under another name.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The new output, locked, and its length in bytes.
pub struct Rotated {
    pub file: File,
    pub bytes: u64,
    /// Where the old output is now.
    pub old: PathBuf,
}

/// Keep the output under its name with the next free number behind, and put a new one in its place, which
/// has the `needed` lines. There is an output at every moment, whenever the process ends.
///
/// # Errors
/// When a file cannot be written; then the output is as it was.
pub fn rotate(output: &Path, needed: impl Fn(&[u8]) -> bool) -> Result<Rotated, Error> {
    let draft = numbered(output, "draft");
    let (file, bytes) = copy(output, &draft, needed)?;
    // Before it has the output's name, so that no other process can take it.
    file.try_lock().map_err(|error| Error::path("lock", &draft)(error.into()))?;
    let mut number = 1_u64;
    while numbered(output, &number.to_string()).exists() {
        number += 1;
    }
    let old = numbered(output, &number.to_string());
    fs::hard_link(output, &old).map_err(Error::path("keep the output as", &old))?;
    fs::rename(&draft, output).map_err(Error::path("replace", output))?;
    Ok(Rotated { file, bytes, old })
}

fn copy(output: &Path, draft: &Path, needed: impl Fn(&[u8]) -> bool) -> Result<(File, u64), Error> {
    let failed = || Error::path("write", draft);
    let mut from = BufReader::new(File::open(output).map_err(Error::path("read", output))?);
    // What a crash left behind.
    let _ = fs::remove_file(draft);
    let file = File::options().append(true).create_new(true).open(draft).map_err(failed())?;
    let mut to = BufWriter::new(file);
    let (mut bytes, mut line) = (0, Vec::new());
    while from.read_until(b'\n', &mut line).map_err(Error::path("read", output))? > 0 {
        if needed(&line) {
            to.write_all(&line).map_err(failed())?;
            bytes += line.len() as u64;
        }
        line.clear();
    }
    let file = to.into_inner().map_err(|error| failed()(error.into_error()))?;
    file.sync_data().map_err(failed())?;
    Ok((file, bytes))
}

fn numbered(output: &Path, behind: &str) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".");
    name.push(behind);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_needed_lines_stay_and_the_old_output_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("labels.ndjson");
        fs::write(&output, "a\nb\nc\n").unwrap();
        fs::write(folder.path().join("labels.ndjson.draft"), "left by a crash").unwrap();
        let Rotated { mut file, bytes, old } = rotate(&output, |line| line != b"b\n").unwrap();
        assert_eq!(bytes, 4);
        file.write_all(b"d\n").unwrap();
        assert_eq!(fs::read_to_string(&output).unwrap(), "a\nc\nd\n");
        assert_eq!(fs::read_to_string(&old).unwrap(), "a\nb\nc\n");
        let second = rotate(&output, |_| false).unwrap();
        assert_eq!(second.old, folder.path().join("labels.ndjson.2"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
