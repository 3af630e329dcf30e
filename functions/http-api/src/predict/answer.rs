//! The answers of `POST /predict`.

use glimpse_classifier::{Manifest, Prediction, Ranked, Timing};
use serde::Serialize;

use crate::problem::{Details, Problem};

/// The answer for one picture.
#[derive(Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    top: Ranked,
    predictions: Vec<Ranked>,
    model: Model,
    timing_ms: TimingMs,
}

#[derive(Serialize)]
struct Model {
    name: String,
    version: String,
}

/// Milliseconds, to the microsecond.
#[derive(Serialize)]
struct TimingMs {
    decode: f64,
    preprocess: f64,
    infer: f64,
}

/// The answer for a batch, in the order of the request.
#[derive(Serialize)]
pub(super) struct Batch {
    results: Vec<Element>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Element {
    Result(Box<Answer>),
    Error { error: Details },
}

impl Answer {
    pub(crate) fn new(prediction: Prediction, manifest: &Manifest) -> Self {
        let Prediction { top, predictions, timing } = prediction;
        let model = Model { name: manifest.name.clone(), version: manifest.version.clone() };
        Self { top, predictions, model, timing_ms: timing.into() }
    }
}

impl Batch {
    pub(super) fn new(
        outcomes: impl Iterator<Item = Result<Prediction, Problem>>,
        manifest: &Manifest,
    ) -> Self {
        let element = |outcome| match outcome {
            Ok(prediction) => Element::Result(Box::new(Answer::new(prediction, manifest))),
            Err(problem) => Element::Error { error: Problem::details(&problem) },
        };
        Self { results: outcomes.map(element).collect() }
    }
}

impl From<Timing> for TimingMs {
    fn from(timing: Timing) -> Self {
        let ms = |stage: std::time::Duration| (stage.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            decode: ms(timing.decode),
            preprocess: ms(timing.preprocess),
            infer: ms(timing.infer),
        }
    }
}
