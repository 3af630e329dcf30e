//! The same pixels and the same labels as Pillow and torchvision.

use std::path::Path;

use glimpse_classifier::{InputSpec, Interpolation, Limits, Prediction, decode, fit};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;
use serde::Deserialize;

use crate::common::api::model;
use crate::prepared;

/// Largest mean absolute difference on lossless formats: 1/255.
const LOSSLESS: f64 = 1.0;
/// The same for JPEG and lossy WebP, although decoders differ there in inverse DCT, chroma upsampling
/// and colour conversion by up to three levels a pixel: resizing averages most of it away.
const LOSSY: f64 = 1.0;
/// Real pictures whose label must be the reference's.
const AGREEMENT: f64 = 0.995;

/// Scores whose logits differ by less than 0.22. One level more or less in two of five channels of a
/// picture moves the default model's logits by 0.09 (standard deviation) and by 0.46 at most.
const NEAR: f64 = 0.8;

/// One line of the fixtures' `cases.json`.
#[derive(Deserialize)]
struct Case {
    picture: String,
    expected: String,
    width: u32,
    height: u32,
    resize: u32,
    lossless: bool,
}

/// One line that the reference prints.
#[derive(Deserialize)]
struct Reference {
    file: String,
    /// Classes, best first, and their softmax.
    top5: Vec<usize>,
    scores: Vec<f64>,
}

impl Reference {
    /// The best class, and those so close to it that one level of one pixel decides which comes first:
    /// decoders and resizers differ by that much. The default model is unsure of these crops; one in
    /// five has two classes that close.
    fn best(&self) -> Vec<usize> {
        let ranked = self.top5.iter().zip(&self.scores);
        ranked
            .filter(|(_, score)| **score >= self.scores[0] * NEAR)
            .map(|(&index, _)| index)
            .collect()
    }
}

/// The same of the service's answer.
fn best(prediction: &Prediction) -> impl Iterator<Item = usize> {
    let ranked = prediction.predictions.iter();
    ranked.filter(|ranked| ranked.score == prediction.top.score).map(|ranked| ranked.index)
}

#[test]
fn input_tensors_are_those_of_pillow_and_torchvision() {
    let Some(python) = prepared::python() else {
        return skip("parity of tensors", "there is no target/venv-models");
    };
    let folder = prepared::fixtures(&python);
    let cases = std::fs::read(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut wrong = Vec::new();
    let mut worst = [0.0_f64; 2];
    for case in &cases {
        let difference = difference(&folder, case);
        let limit = if case.lossless { LOSSLESS } else { LOSSY };
        let kind = usize::from(case.lossless);
        worst[kind] = worst[kind].max(difference.unwrap_or(f64::INFINITY));
        if difference.is_none_or(|difference| difference > limit) {
            wrong.push(format!("{}: {difference:?}", case.expected));
        }
    }
    println!("worst mean difference: {:.3} lossy, {:.3} lossless", worst[0], worst[1]);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Mean absolute difference in levels of 0…255; `None` when the picture is not decoded.
fn difference(folder: &Path, case: &Case) -> Option<f64> {
    let input = InputSpec {
        height: case.height,
        width: case.width,
        resize_shorter_side: case.resize,
        interpolation: Interpolation::BilinearAntialias,
    };
    let picture = std::fs::read(folder.join(&case.picture)).unwrap();
    let expected = std::fs::read(folder.join(&case.expected)).unwrap();
    let found = fit(&decode(&picture, &Limits::default()).ok()?, &input);
    assert_eq!(found.len(), expected.len());
    let sum: u64 = found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    Some(sum as f64 / expected.len() as f64)
}

#[test]
fn labels_of_real_pictures_are_the_references() {
    let Some(python) = prepared::python() else {
        return skip("parity of labels", "there is no target/venv-models");
    };
    let crops = prepared::crops(&python);
    let answers = prepared::reference(&python, &workspace::default_bundle(), &crops);
    let answers: Vec<Reference> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers.len() >= 400, "{} pictures", answers.len());
    let model = model();
    let label = |answer: &&Reference| {
        let picture = std::fs::read(crops.join(&answer.file)).unwrap();
        let options = glimpse_classifier::Options::default();
        let expected = answer.best();
        let found = model.classify(&picture, &options);
        found.is_ok_and(|found| best(&found).any(|class| expected.contains(&class)))
    };
    let (same, other): (Vec<_>, Vec<_>) = answers.iter().partition(label);
    let share = same.len() as f64 / answers.len() as f64;
    let other: Vec<&str> = other.iter().map(|answer| answer.file.as_str()).collect();
    println!("{} of {} agree; not: {other:?}", same.len(), answers.len());
    assert!(share >= AGREEMENT, "{share:.4} agree; not: {other:?}");
}
