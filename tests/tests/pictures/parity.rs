//! The same pixels and the same labels as Pillow and torchvision.

use std::path::Path;

use glimpse_classifier::{Filter, InputSpec, Limits, Resize, decode, fit};
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
/// Real pictures whose label must be one that the reference gives.
const AGREEMENT: f64 = 0.995;

/// One line of the fixtures' `cases.json`.
#[derive(Deserialize)]
struct Case {
    picture: String,
    expected: String,
    input: InputSpec,
    lossless: bool,
}

impl Case {
    /// Whether nothing but Pillow's arithmetic makes the tensor: then it is the same to the bit.
    fn is_exact(&self) -> bool {
        let Resize { antialias, filter, .. } = self.input.resize;
        let shaped = ["pictures/size-", "pictures/orientation-"];
        self.lossless
            && shaped.iter().any(|kind| self.picture.starts_with(kind))
            && (antialias || filter == Filter::Nearest)
    }
}

/// One line that the reference prints.
#[derive(Deserialize)]
struct Reference {
    file: String,
    top1: usize,
    /// Its labels for the same input with a level more or less in two of five values: correct decoders
    /// and resizers differ by that much. Where it gives but one, the service has to give it too.
    copies: Vec<usize>,
}

impl Reference {
    fn is_sure(&self) -> bool {
        self.copies == [self.top1]
    }

    fn allows(&self, class: usize) -> bool {
        self.top1 == class || self.copies.contains(&class)
    }
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
    assert!(cases.iter().filter(|case| case.is_exact()).count() >= 100);
    let mut wrong = Vec::new();
    let mut worst = [0.0_f64; 2];
    for case in &cases {
        let difference = difference(&folder, case);
        let limit = if case.lossless { LOSSLESS } else { LOSSY };
        let kind = usize::from(case.lossless);
        worst[kind] = worst[kind].max(difference.unwrap_or(f64::INFINITY));
        let limit = if case.is_exact() { 0.0 } else { limit };
        if difference.is_none_or(|difference| difference > limit) {
            wrong.push(format!("{}: {difference:?}", case.expected));
        }
    }
    println!("worst mean difference: {:.3} lossy, {:.3} lossless", worst[0], worst[1]);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Mean absolute difference in levels of 0…255; `None` when the picture is not decoded.
fn difference(folder: &Path, case: &Case) -> Option<f64> {
    let picture = std::fs::read(folder.join(&case.picture)).unwrap();
    let expected = std::fs::read(folder.join(&case.expected)).unwrap();
    let found = fit(&decode(&picture, &Limits::default()).ok()?, &case.input);
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
    let mut identical = 0;
    let mut other = Vec::new();
    for answer in &answers {
        let picture = std::fs::read(crops.join(&answer.file)).unwrap();
        let found = model.classify(&picture, &glimpse_classifier::Options::default());
        let class = found.map(|found| found.top.index).ok();
        identical += usize::from(class == Some(answer.top1));
        if !class.is_some_and(|class| answer.allows(class)) {
            other.push(&answer.file);
        }
    }
    let (all, sure) = (answers.len(), answers.iter().filter(|answer| answer.is_sure()).count());
    let share = (all - other.len()) as f64 / all as f64;
    println!(
        "{all} crops: the reference is sure of {sure}; same label {identical}, one of its labels {}; not: {other:?}",
        all - other.len()
    );
    assert!(share >= AGREEMENT, "{share:.4} agree; not: {other:?}");
}
