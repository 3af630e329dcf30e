//! Tests that a machine cannot run are skipped aloud: cargo has no word for it.

use std::io::Write as _;

use crate::workspace;

/// Say that `test` was skipped and why, past cargo's capture, and count it in
/// `target/skipped-tests.txt`, one line a test.
pub fn skip(test: &str, reason: &str) {
    let line = format!("{test}: {reason}\n");
    let _ = write!(std::io::stderr(), "skipped {line}");
    let list = workspace::root().join("target/skipped-tests.txt");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}
