//! HEIC and AVIF against libheif and libavif: the same pixels, and the same files refused.

use std::path::Path;
use std::process::Command;

use glimpse_classifier::{ClassifyError, Limits, decode};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;
use image::{DynamicImage, RgbImage};
use serde::Deserialize;

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

#[test]
fn every_variant_has_the_pixels_of_libheif_or_libavif_or_is_refused_by_name() {
    let python = workspace::root().join("target/venv-pictures/bin/python");
    if !python.exists() {
        return skip(
            "HEIC and AVIF",
            "there is no target/venv-pictures (make target/venv-pictures/.stamp)",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python)
        .arg(workspace::root().join("tests/pictures/heif_matrix.py"))
        .args([&workspace::picture("rocket.jpg"), folder.path()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let cases = std::fs::read(folder.path().join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() > 100, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| wrong(folder.path(), case)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
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
