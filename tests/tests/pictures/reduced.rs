//! Large JPEGs, decoded at reduced scale: the model's input is nearly that of full scale, and the label
//! is the same, because what is close is decoded again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glimpse_classifier::{
    CLOSE, Classifier, Limits, Options, Prediction, Request, Scale, Source, Timing, decode, fit,
};
use glimpse_tests::skip::skip;

use crate::common::api::{model, model_at};
use crate::prepared;

/// Largest mean difference of the model's input, in levels of 0…255: over all pictures, and of one.
const DIFFERENCE: (f64, f64) = (0.25, 0.7);
/// Pictures that must have the label of full scale.
const AGREEMENT: f64 = 0.995;
/// Names a folder of photographs; those that are decoded at reduced scale are compared.
const PHOTOGRAPHS: &str = "GLIMPSE_PHOTOGRAPHS";

/// What was found of the pictures that were decoded at reduced scale.
#[derive(Default)]
struct Found {
    pictures: usize,
    /// Labels of reduced scale that are those of full scale, and those of the whole way.
    same: [usize; 2],
    again: usize,
    /// The largest log-odds by which reduced scale preferred another label.
    worst_odds: f32,
    sum: f64,
    worst: f64,
    time: [Duration; 2],
}

impl Found {
    fn add(&mut self, model: &Classifier, file: &[u8]) {
        let (input, options) = (&model.manifest().input, Options::default());
        let Ok(prepared) = model.prepare(file) else { return };
        let Ok(full) = decode(file, &Limits::default()) else { return };
        if !prepared.is_reduced() {
            return;
        }
        let source = Source::open(file, Request::default(), &Limits::default()).unwrap();
        let scale = glimpse_classifier::needed(&source.header(), input);
        let Scale::AtLeast { width, height } = scale else { panic!("{scale:?}") };
        let small = source.decode(scale).unwrap();
        assert!(small.pixels.width() >= width && small.pixels.height() >= height);
        let (full, small) = (fit(&full, input), fit(&small, input));
        let difference: u64 = full.iter().zip(&small).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = difference as f64 / full.len() as f64;
        let expected = model.classify_pixels(&full, 1, &options).unwrap().remove(0);
        let first = model.classify_one(&prepared, &options).unwrap();
        let found = model.classify(file, &options).unwrap();
        let is_same = |one: &Prediction| usize::from(one.top.index == expected.top.index);
        if is_same(&first) == 0 {
            let odds = (first.predictions[0].score / first.predictions[1].score).ln();
            self.worst_odds = self.worst_odds.max(odds);
        }
        self.pictures += 1;
        self.same[0] += is_same(&first);
        self.same[1] += is_same(&found);
        self.again += usize::from(found.decoded_again);
        (self.sum, self.worst) = (self.sum + mean, self.worst.max(mean));
        self.time[0] += whole(first.timing);
        self.time[1] += whole(found.timing);
    }

    fn mean(&self) -> f64 {
        self.sum / self.pictures as f64
    }

    fn report(&self, model: &Classifier) {
        let Self { pictures, same, again, worst_odds, worst, time, .. } = self;
        println!(
            "{}: {pictures} pictures at reduced scale: same label {}, after {again} were decoded \
             again {}; another label by log-odds of {worst_odds:.2} at most (CLOSE is {CLOSE}); \
             mean difference {:.3} levels, worst {worst:.3}; time with the second decoding {:.2}",
            model.manifest().name,
            same[0],
            same[1],
            self.mean(),
            time[1].as_secs_f64() / time[0].as_secs_f64()
        );
        assert!(same[1] as f64 >= AGREEMENT * *pictures as f64, "{} of {pictures}", same[1]);
    }
}

fn whole(Timing { decode, preprocess, infer }: Timing) -> Duration {
    decode + preprocess + infer
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn labels_at_reduced_scale_are_those_of_full_scale() {
    let Some(python) = prepared::python() else {
        return skip("labels at reduced scale", "there is no target/venv-models");
    };
    let files = files(&prepared::large_jpegs(&python));
    for (model, least) in [(model(), 400), (model_at("imagenet-lite"), 100)] {
        let mut found = Found::default();
        for file in &files {
            found.add(&model, &std::fs::read(file).unwrap());
        }
        found.report(&model);
        let (mean, worst) = (found.mean(), found.worst);
        assert!(mean <= DIFFERENCE.0 && worst <= DIFFERENCE.1, "mean {mean:.3}, worst {worst:.3}");
        assert!(found.pictures >= least, "{} pictures", found.pictures);
        assert!(found.worst_odds < CLOSE);
    }
}

#[test]
#[ignore = "GLIMPSE_PHOTOGRAPHS names a folder of photographs"]
fn photographs_have_the_labels_of_full_scale() {
    let files = files(Path::new(&std::env::var_os(PHOTOGRAPHS).unwrap()));
    for model in [model(), model_at("imagenet-lite")] {
        let mut found = Found::default();
        for file in &files {
            found.add(&model, &std::fs::read(file).unwrap());
        }
        found.report(&model);
    }
}
