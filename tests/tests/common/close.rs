//! JPEGs that have another label at reduced scale than at full scale.

use glimpse_classifier::{Classifier, Limits, Options, Prediction, decode, fit};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::encode::{encode, plain};

/// A picture of noise, so many pixels wide and high, with as much red as green.
pub struct Close {
    pub file: Vec<u8>,
    /// The prediction at full scale, and the label at reduced scale.
    pub full: Prediction,
    pub reduced: String,
}

/// Found by trying.
pub fn close(model: &Classifier, side: u32) -> Close {
    for seed in 1..500 {
        let file = noise(seed, side);
        let first = once(model, &file);
        let full = at_full_scale(model, &file, &Options::default());
        if first.is_close && first.top.index != full.top.index {
            return Close { file, full, reduced: first.top.label };
        }
    }
    panic!("no picture is close");
}

/// A large picture with one label at any scale.
pub fn sure() -> Vec<u8> {
    encode(&plain(64, 64, [200, 0, 0]), ImageFormat::Jpeg)
}

fn once(model: &Classifier, file: &[u8]) -> Prediction {
    let prepared = model.prepare(file).unwrap();
    assert!(prepared.is_reduced());
    model.classify_one(&prepared, &Options::default()).unwrap()
}

/// The answer to the pixels that the file has at full scale.
pub fn at_full_scale(model: &Classifier, file: &[u8], options: &Options) -> Prediction {
    let picture = decode(file, &Limits::default()).unwrap();
    let pixels = fit(&picture, &model.manifest().input);
    model.classify_pixels(&pixels, 1, options).unwrap().remove(0)
}

fn noise(seed: u32, side: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761);
    let mut level = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        60 + (state >> 25) as u8
    };
    let pixels = RgbImage::from_fn(side, side, |_, _| Rgb([level(), level(), 0]));
    encode(&DynamicImage::ImageRgb8(pixels), ImageFormat::Jpeg)
}
