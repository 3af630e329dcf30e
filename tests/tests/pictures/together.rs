//! A picture's answer does not depend on what it is run with.

use glimpse_classifier::{Explain, Explanations, Options, Prediction};
use glimpse_tests::workspace;
use image::imageops::FilterType;

use crate::common::api::{model, model_at};

const PICTURES: [&str; 3] = ["astronaut.png", "chelsea.png", "coffee.png"];
/// Largest difference of a score: what float32 sums differ by in another order.
const DIFFERENCE: f32 = 1e-5;

/// Eight parts of each picture.
fn parts() -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for name in PICTURES {
        let whole = image::open(workspace::picture(name)).unwrap();
        for number in 0..8 {
            let (left, top) = (whole.width() / 16 * number, whole.height() / 16 * number);
            let part = whole.crop_imm(left, top, whole.width() / 2, whole.height() / 2);
            let part = part.resize(320, 240, FilterType::Triangle).into_rgb8();
            parts.push(glimpse_tests::jpeg::rgb(part.as_raw(), part.dimensions()).unwrap());
        }
    }
    parts
}

fn options(number: usize) -> Options {
    let explain = number.is_multiple_of(3).then(Explain::default);
    Options { top_k: number % 5 + 1, explain, embedding: number % 4 == 1, ..Options::default() }
}

/// All that the answer says in numbers.
fn scores(prediction: &Prediction) -> Vec<f32> {
    let labels = prediction.predictions.iter().map(|one| one.score);
    let explained = prediction.explanations.iter().flat_map(Explanations::as_slice);
    let maps = explained.flat_map(|one| one.map.scaled());
    labels.chain(maps).chain(prediction.embedding.iter().flatten().copied()).collect()
}

fn indices(prediction: &Prediction) -> Vec<usize> {
    prediction.predictions.iter().map(|one| one.index).collect()
}

#[test]
fn a_picture_has_the_same_answer_alone_and_in_any_run() {
    let parts = parts();
    for model in [model(), model_at("imagenet-lite")] {
        let prepared: Vec<_> = parts.iter().map(|part| model.prepare(part).unwrap()).collect();
        let options: Vec<_> = (0..parts.len()).map(options).collect();
        let asked: Vec<_> = prepared.iter().zip(&options).collect();
        let alone: Vec<_> =
            asked.iter().map(|(one, options)| model.classify_one(one, options).unwrap()).collect();
        let (mut compared, mut identical, mut worst) = (0, 0, 0.0_f32);
        for size in [2, 3, 5, 8, 16, parts.len()] {
            let runs = asked.chunks(size).map(|run| model.classify_together(run).unwrap());
            for (own, shared) in alone.iter().zip(runs.flatten()) {
                let shared = shared.unwrap();
                assert_eq!(indices(own), indices(&shared));
                let (own, shared) = (scores(own), scores(&shared));
                assert_eq!(own.len(), shared.len());
                let differences = own.iter().zip(&shared).map(|(a, b)| (a - b).abs());
                let largest = differences.fold(0.0, f32::max);
                worst = worst.max(largest);
                compared += 1;
                identical += usize::from(largest == 0.0);
            }
        }
        let name = &model.manifest().name;
        println!(
            "{name}: {identical} of {compared} identical to the bit, largest difference {worst:e}"
        );
        assert!(worst <= DIFFERENCE, "{name}: {worst:e}");
    }
}
