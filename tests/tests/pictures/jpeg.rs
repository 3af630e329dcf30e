//! JPEG pixels bit for bit as Pillow gives them, and damaged files refused.

use glimpse_classifier::{ClassifyError, Limits, Request, Scale, Source};
use glimpse_tests::skip::skip;
use image::RgbImage;
use serde::Deserialize;

use crate::prepared;

/// One line of the `cases.json` that `tests/jpeg/make.py` writes.
#[derive(Deserialize)]
struct Case {
    name: String,
    answer: String,
    width: u32,
    height: u32,
    denominator: u32,
}

#[test]
fn pixels_are_pillows_bit_for_bit_and_missing_data_is_refused() {
    let Some(python) = prepared::python() else {
        return skip("JPEG pixels", "there is no target/venv-models");
    };
    let folder = prepared::jpegs(&python);
    let cases = std::fs::read(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() >= 500, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let file = std::fs::read(folder.join(format!("{}.jpg", case.name))).unwrap();
        let found = pixels(&file, case);
        let expected = std::fs::read(folder.join(format!("{}.rgb", case.name)));
        let right = match (case.answer.as_str(), &found) {
            ("pixels", Ok(found)) => {
                found.dimensions() == (case.width, case.height)
                    && *found.as_raw() == expected.unwrap()
            }
            ("corrupt", Err(error)) => matches!(error, ClassifyError::Corrupt { .. }),
            ("variant", Err(error)) => matches!(error, ClassifyError::UnsupportedVariant { .. }),
            _ => false,
        };
        if !right {
            let found = found.map(|found| found.dimensions());
            wrong.push(format!("{}: expected {}, found {found:?}", case.name, case.answer));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn pixels(file: &[u8], case: &Case) -> Result<RgbImage, ClassifyError> {
    let source = Source::open(file, Request::default(), &Limits::default())?;
    let header = source.header();
    let by = case.denominator;
    let scale = match by {
        1 => Scale::Full,
        _ => Scale::AtLeast { width: header.width / by, height: header.height / by },
    };
    source.decode(scale).map(|picture| picture.pixels)
}
