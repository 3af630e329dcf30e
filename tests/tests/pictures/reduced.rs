//! Large JPEGs, decoded at reduced scale: the label is that of the picture at full scale.

use glimpse_classifier::{Limits, Options, Request, Scale, Source, decode, fit};
use glimpse_tests::skip::skip;

use crate::common::api::model;
use crate::prepared;

/// Pictures whose label must be that of full scale.
const AGREEMENT: f64 = 0.995;
/// Largest mean difference of the model's input, in levels of 0…255, over all pictures.
const DIFFERENCE: f64 = 1.5;

#[test]
fn labels_at_reduced_scale_are_those_of_full_scale() {
    let Some(python) = prepared::python() else {
        return skip("labels at reduced scale", "there is no target/venv-models");
    };
    let folder = prepared::large_jpegs(&python);
    let model = model();
    let input = &model.manifest().input;
    let (mut pictures, mut same, mut reduced) = (0, 0, 0);
    let (mut sum, mut worst) = (0.0, 0.0_f64);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        let full = decode(&file, &Limits::default()).unwrap();
        let source = Source::open(&file, Request::default(), &Limits::default()).unwrap();
        let scale = glimpse_classifier::needed(&source.header(), input);
        let Scale::AtLeast { width, height } = scale else { panic!("{scale:?}") };
        let small = source.decode(scale).unwrap();
        assert!(small.pixels.width() >= width && small.pixels.height() >= height);
        reduced += usize::from(small.pixels.width() < full.pixels.width());
        let (full, small) = (fit(&full, input), fit(&small, input));
        let difference: u64 = full.iter().zip(&small).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = difference as f64 / full.len() as f64;
        (sum, worst) = (sum + mean, worst.max(mean));
        let expected = model.classify_pixels(&full, 1, &Options::default()).unwrap();
        let found = model.classify(&file, &Options::default()).unwrap();
        same += usize::from(found.top.index == expected[0].top.index);
        pictures += 1;
    }
    let (share, mean) = (same as f64 / pictures as f64, sum / pictures as f64);
    println!(
        "{pictures} pictures, {reduced} at reduced scale: same label {same}, mean difference {mean:.3} \
         levels, worst {worst:.3}"
    );
    assert!(pictures >= 400 && reduced * 10 >= pictures * 9, "{reduced} of {pictures} reduced");
    assert!(share >= AGREEMENT && mean <= DIFFERENCE, "{share:.4} agree, mean {mean:.3}");
}
