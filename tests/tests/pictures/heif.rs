//! HEIC and AVIF against libheif and libavif: the same pixels, and the same files refused.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use glimpse_classifier::{ClassifyError, Limits, decode};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;
use image::{DynamicImage, RgbImage};
use serde::Deserialize;
use tempfile::TempDir;

/// Mean difference of a file's pixels to its reference's, in levels of 255.
const TOLERANCE: f64 = 1.0;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Of a picture.
    frames: Option<u32>,
    /// Of a refused file.
    code: Option<String>,
    #[serde(default)]
    mentions: String,
}

/// The files of `tests/pictures/heif_matrix.py`; none where its environment is missing.
static MATRIX: LazyLock<Option<(TempDir, Vec<Case>)>> = LazyLock::new(|| {
    let python = workspace::root().join("target/venv-pictures/bin/python");
    if !python.exists() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python)
        .arg(workspace::root().join("tests/pictures/heif_matrix.py"))
        .args([&workspace::picture("rocket.jpg"), folder.path()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let cases = std::fs::read(folder.path().join("cases.json")).unwrap();
    Some((folder, serde_json::from_slice(&cases).unwrap()))
});

fn matrix(test: &str) -> Option<(&'static Path, &'static [Case])> {
    let matrix = MATRIX.as_ref().map(|(folder, cases)| (folder.path(), &cases[..]));
    if matrix.is_none() {
        skip(test, "there is no target/venv-pictures (make target/venv-pictures/.stamp)");
    }
    matrix
}

#[test]
fn every_variant_has_the_pixels_of_libheif_or_libavif_or_is_refused_by_name() {
    let Some((folder, cases)) = matrix("pixels of HEIC and AVIF") else { return };
    assert!(cases.len() > 100, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| wrong(folder, case)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The decoder of AVIF ends the process where it would panic, so that this is the whole process's life.
#[test]
fn broken_files_are_refused_and_never_end_the_process() {
    let Some((folder, _)) = matrix("broken HEIC and AVIF") else { return };
    let limits = Limits { max_pixels: 100_000, ..Limits::default() };
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    for name in [
        "65x63-420.heic",
        "alpha.heic",
        "10bit-422.heic",
        "65x63-420.avif",
        "alpha.avif",
        "12bit-444.avif",
    ] {
        let file = std::fs::read(folder.join(name)).unwrap();
        for _ in 0..150 {
            let mut broken = file.clone();
            for _ in 0..=random(4) {
                let at = random(broken.len());
                match random(4) {
                    0 => broken.truncate(at.max(1)),
                    1 => broken[at] = 0xFF,
                    _ => broken[at] ^= 1 << random(8),
                }
            }
            if let Err(error) = decode(&broken, &limits) {
                let codes = ["unsupported_image_format", "image_too_large", "corrupt_image"];
                assert!(codes.contains(&error.code()), "{name}: {error}");
            }
        }
    }
}

fn wrong(folder: &Path, case: &Case) -> Option<String> {
    let Case { name, frames, code, mentions } = case;
    let file = std::fs::read(folder.join(name)).unwrap();
    let decoded = decode(&file, &Limits::default());
    let Some(frames) = *frames else {
        return refusal(decoded.err(), code.as_deref(), mentions)
            .map(|why| format!("{name}: {why}"));
    };
    let picture = match decoded {
        Ok(picture) => picture,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    if picture.header.frames != frames {
        return Some(format!("{name}: {} frames; expected {frames}", picture.header.frames));
    }
    let mut shown = DynamicImage::ImageRgb8(picture.pixels);
    shown.apply_orientation(picture.header.orientation);
    let right = image::open(folder.join(format!("{name}.png"))).unwrap().into_rgb8();
    difference(&shown.into_rgb8(), &right).map(|why| format!("{name}: {why}"))
}

fn refusal(error: Option<ClassifyError>, code: Option<&str>, mentions: &str) -> Option<String> {
    let Some(error) = error else { return Some(format!("decoded; expected {code:?}")) };
    let text = error.to_string();
    let right = Some(error.code()) == code && text.contains(mentions);
    (!right).then(|| format!("{} ({text}); expected {code:?} with `{mentions}`", error.code()))
}

fn difference(shown: &RgbImage, right: &RgbImage) -> Option<String> {
    if shown.dimensions() != right.dimensions() {
        return Some(format!("{:?}; expected {:?}", shown.dimensions(), right.dimensions()));
    }
    let total: u64 = shown.iter().zip(right.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    #[expect(clippy::cast_precision_loss, reason = "small pictures")]
    let mean = total as f64 / shown.len() as f64;
    println!("{mean:.3}");
    (mean > TOLERANCE).then(|| format!("{mean:.3} levels off"))
}
