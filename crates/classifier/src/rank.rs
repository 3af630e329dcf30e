//! Logits to ranked labels.

use std::cmp::Ordering;

use serde::Serialize;

use crate::bundle::{Manifest, Task};
use crate::labels::Labels;

/// One class of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ranked {
    /// Human-readable, from `labels.txt`.
    pub label: String,
    /// Class index.
    pub index: usize,
    /// Softmax probability, or each class's own probability in a multi-label model; 0…1.
    pub score: f32,
}

/// Softmax over `logits / temperature`, `[C]`; numerically stable by subtracting the maximum.
///
/// `temperature` is over 0: [`crate::Manifest::temperature`], or 1 for the plain softmax.
#[must_use]
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let maximum = maximum(logits);
    let exponential = |logit: &f32| ((logit - maximum) / temperature).exp();
    let mut scores: Vec<f32> = logits.iter().map(exponential).collect();
    let sum: f32 = scores.iter().sum();
    for score in &mut scores {
        *score /= sum;
    }
    scores
}

/// The sigmoid of each of `logits / temperature`, `[C]`: the scores of classes that do not exclude
/// one another.
fn sigmoid(logits: &[f32], temperature: f32) -> Vec<f32> {
    logits.iter().map(|logit| 1.0 / (1.0 + (-logit / temperature).exp())).collect()
}

/// The score of each class, `[C]`, by the model's task and temperature.
pub(crate) fn scores(logits: &[f32], manifest: &Manifest) -> Vec<f32> {
    match manifest.task {
        Task::SingleLabel => softmax(logits, manifest.temperature()),
        Task::MultiLabel => sigmoid(logits, manifest.temperature()),
    }
}

/// How unlike the training pictures a picture is, by the model's task: [`energy`], or [`joint_energy`].
pub(crate) fn energy_of(logits: &[f32], task: Task) -> f32 {
    match task {
        Task::SingleLabel => energy(logits),
        Task::MultiLabel => joint_energy(logits),
    }
}

/// The energy score `E(x) = −T · log Σ exp(logit / T)` over logits `[C]`, with T = 1.
///
/// Lower, that is more negative, is more like the pictures that the model was trained on; a picture
/// of something else scores higher. Where to draw the line depends on the model. T is 1 whatever
/// the bundle's temperature, so that a new calibration does not move the line. Liu et al.,
/// "Energy-based Out-of-distribution Detection", `NeurIPS` 2020.
#[must_use]
pub fn energy(logits: &[f32]) -> f32 {
    let maximum = maximum(logits);
    let sum: f32 = logits.iter().map(|logit| (logit - maximum).exp()).sum();
    -(maximum + sum.ln())
}

/// The joint energy `−Σ log(1 + exp(logit))` over logits `[C]` of a multi-label model.
///
/// Read as [`energy`]. Each label adds its own, so that a picture with many labels is not taken for
/// an unknown one. Wang et al., "Can multi-label classification networks know what they don't
/// know?", `NeurIPS` 2021.
#[must_use]
pub fn joint_energy(logits: &[f32]) -> f32 {
    // log(1 + exp(x)) without overflow.
    let softplus = |logit: &f32| logit.max(0.0) + (-logit.abs()).exp().ln_1p();
    -logits.iter().map(softplus).sum::<f32>()
}

fn maximum(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The `k` classes with the highest scores, best first; equal scores keep class order.
///
/// Gives at least the argmax, whatever `k`. `scores` must not be empty.
pub(crate) fn top_k(scores: &[f32], labels: &Labels, k: usize) -> Vec<Ranked> {
    let k = k.clamp(1, scores.len().max(1));
    let best_first =
        |a: &usize, b: &usize| -> Ordering { scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)) };
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    if k < indices.len() {
        indices.select_nth_unstable_by(k - 1, best_first);
        indices.truncate(k);
    }
    indices.sort_unstable_by(best_first);
    indices.into_iter().map(|index| ranked(index, scores, labels)).collect()
}

/// The classes of a multi-label model whose score reaches their threshold, best first, possibly none;
/// nothing where a picture has one label.
pub(crate) fn given(scores: &[f32], labels: &Labels, manifest: &Manifest) -> Option<Vec<Ranked>> {
    if manifest.task == Task::SingleLabel {
        return None;
    }
    let classes =
        (0..scores.len()).filter(|&class| manifest.holds(class, scores[class]) == Some(true));
    let mut given: Vec<Ranked> = classes.map(|class| ranked(class, scores, labels)).collect();
    given.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: equal scores keep class order
    Some(given)
}

fn ranked(index: usize, scores: &[f32], labels: &Labels) -> Ranked {
    let label = labels.get(index).unwrap_or_default().to_owned();
    Ranked { label, index, score: scores[index] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_even_for_huge_logits() {
        for temperature in [0.01, 1.0, 100.0] {
            let scores = softmax(&[1000.0, 999.0, -1000.0], temperature);
            assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        let scores = softmax(&[1000.0, 999.0, -1000.0], 1.0);
        assert!((scores[0] / scores[1] - std::f32::consts::E).abs() < 1e-5);
    }

    #[test]
    fn scores_of_several_labels_are_independent() {
        assert_eq!(sigmoid(&[0.0, 2.0, -1000.0, 1000.0], 2.0)[..], [0.5, 0.731_058_6, 0.0, 1.0]);
    }

    #[test]
    fn temperature_divides_logits() {
        assert_eq!(softmax(&[3.0, 1.0, -2.0], 2.0), softmax(&[1.5, 0.5, -1.0], 1.0));
    }

    #[test]
    fn energy_is_minus_the_logarithm_of_the_sum_of_exponentials() {
        let expected = -(0.5_f64.exp() + 2.0_f64.exp() + (-1.0_f64).exp()).ln();
        assert!((f64::from(energy(&[0.5, 2.0, -1.0])) - expected).abs() < 1e-6);
        assert_eq!(energy(&[1000.0, -1000.0]), -1000.0);
    }

    #[test]
    fn joint_energy_adds_the_labels() {
        let expected = -(1.0 + 0.5_f64.exp()).ln() - (1.0 + (-2.0_f64).exp()).ln();
        assert!((f64::from(joint_energy(&[0.5, -2.0])) - expected).abs() < 1e-6);
        assert_eq!(joint_energy(&[1000.0, 500.0, -1000.0]), -1500.0);
    }

    #[test]
    fn the_best_come_first_and_ties_keep_class_order() {
        let labels = Labels::parse(b"a\nb\nc\nd").unwrap();
        let ranked = top_k(&[0.1, 0.3, 0.3, 0.2], &labels, 3);
        let names: Vec<&str> = ranked.iter().map(|r| r.label.as_str()).collect();
        assert_eq!(names, ["b", "c", "d"]);
        assert_eq!(top_k(&[0.1, 0.3, 0.3, 0.2], &labels, 99).len(), 4);
        assert_eq!(top_k(&[0.1, 0.3, 0.3, 0.2], &labels, 0).len(), 1);
    }
}
