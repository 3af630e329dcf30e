//! The answers of `POST /predict`.

use glimpse_classifier::{Explanations, Manifest, PictureCounts, Prediction, Ranked, Timing};
use glimpse_telemetry::ms;
use serde::Serialize;
use utoipa::ToSchema;

use super::explanation::Explanation;
use crate::problem::{Details, Problem};

/// The answer for one picture.
#[derive(Serialize, ToSchema)]
#[schema(as = Prediction)]
pub(crate) struct Answer {
    /// The argmax; null where its score is under `abstain_below`.
    label: Option<String>,
    /// Its class index; null where there is no label.
    index: Option<usize>,
    /// The best score, also where there is no label.
    score: f32,
    predictions: Vec<Ranked>,
    /// Of a model with several labels per picture: every label whose score reaches its threshold,
    /// best first, possibly none, whatever the options.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    labels: Option<Vec<Ranked>>,
    /// Of the best label, where `explain` names no labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    /// One for each label that `explain` names, in that order.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanations: Option<Vec<Explanation>>,
    /// The pooled features, of length 1 (L2), where `embedding` asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Vec<f32>>,
    /// `−log Σ exp(logit)`, or of a model with several labels per picture `−Σ log(1 + exp(logit))`,
    /// where `ood` asks for it; lower is more like the training pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    energy: Option<f32>,
    #[serde(flatten)]
    counts: PictureCounts,
    model: Model,
    timing_ms: TimingMs,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelVersion)]
struct Model {
    name: String,
    version: String,
}

/// Milliseconds, to the microsecond.
#[derive(Serialize, ToSchema)]
struct TimingMs {
    decode: f64,
    preprocess: f64,
    infer: f64,
}

/// The answer of `POST /predict`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Answered {
    One(Box<Answer>),
    Many(Batch),
}

/// The answer for a batch, in the order of the request.
#[derive(Serialize, ToSchema)]
pub(crate) struct Batch {
    results: Vec<Element>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = BatchElement)]
#[serde(untagged)]
enum Element {
    Result(Box<Answer>),
    Error { error: Details },
}

impl Answer {
    pub(super) fn new(prediction: Prediction, manifest: &Manifest) -> Self {
        let counts = prediction.counts();
        let Ranked { label, index, score } = prediction.top;
        let certain = !prediction.abstained;
        let (explanation, explanations) = match prediction.explanations {
            None => (None, None),
            Some(Explanations::Best(best)) => (Some(best.into()), None),
            Some(Explanations::Named(named)) => {
                (None, Some(named.into_iter().map(Explanation::from).collect()))
            }
        };
        Self {
            label: certain.then_some(label),
            index: certain.then_some(index),
            score,
            predictions: prediction.predictions,
            labels: prediction.labels,
            explanation,
            explanations,
            embedding: prediction.embedding,
            energy: prediction.energy,
            counts,
            model: Model { name: manifest.name.clone(), version: manifest.version.clone() },
            timing_ms: prediction.timing.into(),
        }
    }
}

impl Batch {
    pub(super) fn new(
        results: impl Iterator<Item = Result<Prediction, Problem>>,
        manifest: &Manifest,
    ) -> Self {
        let element = |result| match result {
            Ok(prediction) => Element::Result(Box::new(Answer::new(prediction, manifest))),
            Err(problem) => Element::Error { error: Details::of(&problem) },
        };
        Self { results: results.map(element).collect() }
    }
}

impl From<Timing> for TimingMs {
    fn from(timing: Timing) -> Self {
        Self {
            decode: ms(timing.decode),
            preprocess: ms(timing.preprocess),
            infer: ms(timing.infer),
        }
    }
}
