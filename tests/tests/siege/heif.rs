//! The worst HEIC and AVIF that are accepted: coded as one picture, without tiles.

use std::process::Command;

use glimpse_tests::skip::skip;
use glimpse_tests::workspace;

/// Sides of squares that memory (HEIC) and time (AVIF) allow.
const LONGEST: [(&str, &str, u32); 2] =
    [("HEIC", "image/heic", 4700), ("AVIF", "image/avif", 5200)];
/// Each next one has half the pixels.
const PARTS: [u32; 4] = [100, 71, 50, 35];

/// Blank pictures of a format.
pub struct Blank {
    pub name: &'static str,
    pub content_type: &'static str,
    /// The largest first.
    pub files: Vec<Vec<u8>>,
}

/// Pictures of both formats in several sizes; none where the encoders are missing.
pub fn all(test: &str) -> Vec<Blank> {
    let python = workspace::root().join("target/venv-pictures/bin/python");
    if !python.exists() {
        skip(test, "there is no target/venv-pictures (make target/venv-pictures/.stamp)");
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    let sides = |longest: u32| PARTS.map(|part| longest * part / 100);
    let blank = |(name, content_type, longest): (&'static str, &'static str, u32)| {
        let made = Command::new(&python)
            .arg(workspace::root().join("tests/pictures/blank_heif.py"))
            .arg(folder.path())
            .arg(name.to_lowercase())
            .args(sides(longest).map(|side| side.to_string()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let ending = name.to_lowercase();
        let file =
            |side: u32| std::fs::read(folder.path().join(format!("{side}.{ending}"))).unwrap();
        Blank { name, content_type, files: sides(longest).map(file).to_vec() }
    };
    LONGEST.map(blank).into()
}
