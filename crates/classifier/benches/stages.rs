//! The stages of the main path, each alone: `make bench-stages` prepares library and pictures.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use divan::{Bencher, black_box};
use glimpse_classifier::{
    Classifier, Explain, InputSpec, Labels, Limits, Manifest, Options, Picture, Runtime, decode,
    fit, softmax,
};
use image::imageops::FilterType;
use jpeg_encoder::{ColorType, Encoder};

/// A JPEG as a telephone's web upload and one as its camera makes it.
const SIZES: [(u32, u32); 2] = [(500, 375), (4000, 3000)];

fn main() {
    divan::main();
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn jpeg((width, height): (u32, u32)) -> Vec<u8> {
    let picture = image::open(target().join("pictures/astronaut.png")).unwrap();
    let sized = picture.resize_exact(width, height, FilterType::Triangle).into_rgb8();
    let (width, height) = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 75).encode(sized.as_raw(), width, height, ColorType::Rgb).unwrap();
    bytes
}

fn picture(size: (u32, u32)) -> Picture {
    decode(&jpeg(size), &Limits::default()).unwrap()
}

const INPUT: InputSpec = InputSpec::centre_of(224, 224, 256);

/// The default bundle, whose input is smaller than 224 pixels; `make bench-lambda` measures that.
static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| {
    let library = target().join("onnxruntime").join(std::env::consts::ARCH);
    let runtime = Runtime::open(&library.join("libonnxruntime.so")).unwrap();
    let bundle = target().join("../models/default");
    let read = move |name: &str| std::fs::read(bundle.join(name)).unwrap();
    let manifest = Manifest::parse(&read("bundle.json")).unwrap();
    let labels = Labels::parse(&read("labels.txt")).unwrap();
    Classifier::new(&runtime, manifest, labels, read("model.onnx"), Limits::default())
        .unwrap()
        .with_head(Box::new(move || Ok(read("head.safetensors"))))
});

#[divan::bench(args = SIZES)]
fn decode_jpeg(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let bytes = jpeg(size);
    bencher.bench(|| decode(black_box(&bytes), &Limits::default()).unwrap());
}

#[divan::bench(args = SIZES)]
fn fit_to_224(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let picture = picture(size);
    bencher.bench(|| fit(black_box(&picture), &INPUT));
}

#[divan::bench(args = [1, 8])]
fn infer_default_bundle(bencher: Bencher<'_, '_>, n: usize) {
    let pixels = vec![127; CLASSIFIER.manifest().input.bytes() * n];
    bencher.bench(|| CLASSIFIER.classify_pixels(&pixels, n, &Options::default()).unwrap());
}

/// What an answer costs that says more than labels, one picture a run.
#[divan::bench(args = ["labels", "energy", "map", "overlay"])]
fn infer_and_tell(bencher: Bencher<'_, '_>, what: &str) {
    let overlay = what == "overlay";
    let explain = Explain { overlay, ..Explain::default() };
    let explain = (overlay || what == "map").then_some(explain);
    let options = Options { explain, energy: what == "energy", ..Options::default() };
    let pixels = vec![127; CLASSIFIER.manifest().input.bytes()];
    bencher.bench(|| CLASSIFIER.classify_pixels(&pixels, 1, &options).unwrap());
}

#[divan::bench]
fn rank_1000_classes(bencher: Bencher<'_, '_>) {
    let logits: Vec<f32> = (0..1000_u16).map(|class| f32::from(class % 37)).collect();
    bencher.bench(|| softmax(black_box(&logits), 1.0));
}

#[divan::bench(args = SIZES)]
fn classify_jpeg_default_bundle(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let bytes = jpeg(size);
    bencher.bench(|| CLASSIFIER.classify(black_box(&bytes), &Options::default()).unwrap());
}
