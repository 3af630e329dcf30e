//! Whether two labels are so close that full scale, or the CPU provider, may give the other one.

use crate::bundle::Manifest;
use crate::rank;

/// A picture that was decoded at reduced scale is decoded again at full scale where another label is
/// this close: where the calibrated log-odds of two labels, or of a label and its threshold, differ by
/// less. A label whose score is 1.65 times that of any other is not close.
///
/// Of 1,268 labels of the committed bundles for large photographs, 67 are others at full scale; with
/// the exception of one, all those were closer than 0.45 at reduced scale. `reduced.rs` of the tests in
/// `tests/tests/pictures` finds that out (docs/formats.md).
pub const CLOSE: f32 = 0.5;

/// Where another provider than the CPU provider runs the model, the CPU provider decides a label that is
/// this close, by the same measure.
///
/// Of 5,960 labels of the committed bundles by `OpenVINO`, for crops of photographs and for small real
/// pictures, 236 are others by the CPU provider; with the exception of four, all those were closer than
/// 0.3. A larger margin costs second runs: 23 % of these pictures are closer than 0.3, and 35 % closer
/// than [`CLOSE`]. `provider.rs` of the tests in `tests/tests/pictures` compares the labels.
pub const CLOSE_BY_PROVIDER: f32 = 0.3;

// What a provider finds close at reduced scale is decoded again, so it need not be decided before that.
const _: () = assert!(CLOSE_BY_PROVIDER <= CLOSE);

/// Whether the answer to `logits`, `[C]`, depends on less than `margin`.
pub(crate) fn is_close(
    logits: &[f32],
    manifest: &Manifest,
    abstain_below: f32,
    margin: f32,
) -> bool {
    let temperature = manifest.temperature();
    let is_near = |a: f32, b: f32| (a - b).abs() < margin;
    let abstains_narrowly = || {
        abstain_below > 0.0
            && is_near(log_odds(top_score(logits, manifest)), log_odds(abstain_below))
    };
    let holds_narrowly = |(class, logit): (usize, &f32)| {
        let threshold = manifest.threshold(class);
        threshold.is_some_and(|threshold| is_near(logit / temperature, log_odds(threshold)))
    };
    let [best, second] = best_two(logits);
    is_near(best / temperature, second / temperature)
        || logits.iter().enumerate().any(holds_narrowly)
        || abstains_narrowly()
}

fn top_score(logits: &[f32], manifest: &Manifest) -> f32 {
    rank::scores(logits, manifest).into_iter().fold(0.0, f32::max)
}

fn best_two(logits: &[f32]) -> [f32; 2] {
    logits.iter().fold([f32::NEG_INFINITY; 2], |[best, second], &logit| {
        if logit > best { [logit, best] } else { [best, second.max(logit)] }
    })
}

/// The logit whose sigmoid is `probability`; infinite for 0 and 1.
fn log_odds(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
        let file = json!({ "sha256": "0".repeat(64), "bytes": 1 });
        let mut bundle = json!({
            "schema_version": 2, "name": "test", "version": "1", "created_at": "2026-01-01T00:00:00Z",
            "files": { "model.onnx": file, "labels.txt": file }, "license": "MIT",
            "input": { "height": 8, "width": 8, "channels": 3, "crop": "center",
                       "resize": { "mode": "shorter-side", "size": 8 } },
        });
        change(&mut bundle);
        Manifest::parse(bundle.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn two_labels_are_close_by_their_calibrated_log_odds() {
        let (plain, hot) = (
            manifest(|_| ()),
            manifest(|bundle| {
                bundle["calibration"] =
                    json!({ "temperature": 2.0, "images": 1, "ece_before": 0.2, "ece_after": 0.1 });
            }),
        );
        let logits = |difference: f32| [-3.0, 5.0, 5.0 - difference];
        for (manifest, factor) in [(plain, 1.0), (hot, 2.0)] {
            let is_close = |difference| is_close(&logits(difference), &manifest, 0.0, CLOSE);
            assert!(is_close(0.0) && is_close(0.99 * CLOSE * factor));
            assert!(!is_close(1.01 * CLOSE * factor));
        }
    }

    #[test]
    fn a_smaller_margin_leaves_more_as_it_is() {
        let is_close = |margin| is_close(&[2.0, 1.8], &manifest(|_| ()), 0.0, margin);
        assert!(is_close(0.3) && !is_close(0.1));
    }

    #[test]
    fn a_single_class_and_what_is_no_number_are_not_close() {
        let manifest = manifest(|_| ());
        assert!(!is_close(&[1.0], &manifest, 0.0, CLOSE));
        assert!(!is_close(&[f32::NAN, f32::NAN], &manifest, 0.5, CLOSE));
    }

    #[test]
    fn every_label_is_held_to_its_own_threshold() {
        let manifest = manifest(|bundle| {
            bundle["task"] = "multi-label".into();
            bundle["thresholds"] = json!([0.5, 0.9, 0.0]);
        });
        let is_close = |logits: [f32; 3]| is_close(&logits, &manifest, 0.0, CLOSE);
        let line = 9.0_f32.ln();
        assert!(!is_close([9.0, line + 1.1 * CLOSE, -9.0]));
        assert!(is_close([9.0, line + 0.9 * CLOSE, -9.0]));
        assert!(is_close([9.0, line - 0.9 * CLOSE, -9.0]));
        assert!(is_close([0.0, 9.0, -9.0]) && is_close([9.0, 9.4, -9.0]));
    }

    #[test]
    fn abstaining_is_an_answer_too() {
        let is_close = |top, below| {
            let logits = [log_odds(top).min(90.0), 0.0];
            is_close(&logits, &manifest(|_| ()), below, CLOSE)
        };
        assert!(is_close(0.7, 0.69) && is_close(0.7, 0.71));
        assert!(!is_close(0.7, 0.01) && !is_close(0.7, 0.99) && !is_close(0.7, 0.0));
        assert!(!is_close(1.0, 1.0));
    }
}
