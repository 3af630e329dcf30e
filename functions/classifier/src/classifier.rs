//! The main path, and what it is asked and answers.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::bundle::Manifest;
use crate::decode::decode;
use crate::error::{ClassifyError, LoadError};
use crate::labels::Labels;
use crate::limits::Limits;
use crate::preprocess;
use crate::rank::{self, Ranked};
use crate::runtime::Runtime;
use crate::session::Session;

/// Pictures in one run of the session: more gain nothing on two cores and cost memory.
const RUN_LIMIT: usize = 8;

/// A loaded bundle, ready to classify; shared by reference among threads.
pub struct Classifier {
    manifest: Manifest,
    labels: Labels,
    session: Session,
    limits: Limits,
}

/// What a caller may choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How many predictions to give, best first.
    pub top_k: usize,
    /// Predictions with a lower softmax probability are left out.
    pub min_score: f32,
}

impl Default for Options {
    /// The five best, however unlikely.
    fn default() -> Self {
        Self { top_k: 5, min_score: 0.0 }
    }
}

/// The answer for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The argmax, whatever the options.
    pub top: Ranked,
    /// The `top_k` best, best first, less those under `min_score`.
    pub predictions: Vec<Ranked>,
    /// Where the time went.
    pub timing: Timing,
}

/// Wall-clock time of the stages. In a batch, `infer` is the picture's share of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Bytes to RGB.
    pub decode: Duration,
    /// RGB to the graph's input.
    pub preprocess: Duration,
    /// Waiting for the session and running it.
    pub infer: Duration,
}

/// A picture at the input size, and what it took to get there.
struct Fitted {
    pixels: Vec<u8>,
    timing: Timing,
}

impl Classifier {
    /// Load `model` (the bytes of `model.onnx`). The caller has verified the bytes against
    /// `manifest`; see the crate `glimpse-model-store`.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the model, or its input or output is not the contract's.
    pub fn new(
        runtime: &Runtime,
        manifest: Manifest,
        labels: Labels,
        model: &[u8],
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let session = Session::new(runtime, model, manifest.input, labels.len())?;
        Ok(Self { manifest, labels, session, limits })
    }

    /// The bundle's description.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The labels, in class order.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Classify one encoded picture.
    ///
    /// # Errors
    /// When the picture is refused or broken, or inference fails.
    pub fn classify(&self, encoded: &[u8], options: &Options) -> Result<Prediction, ClassifyError> {
        self.infer(&self.fit(encoded)?, options)
    }

    /// Classify many encoded pictures: one result each, in order; a bad picture fails alone.
    pub fn classify_batch<B: AsRef<[u8]> + Sync>(
        &self,
        encoded: &[B],
        options: &Options,
    ) -> Vec<Result<Prediction, ClassifyError>> {
        let mut results = Vec::with_capacity(encoded.len());
        for chunk in encoded.chunks(RUN_LIMIT) {
            let fitted = chunk.par_iter().map(|bytes| self.fit(bytes.as_ref())).collect();
            results.extend(self.infer_together(fitted, options));
        }
        results
    }

    /// Classify pictures that are already at the input size: uint8 RGB `[n, height, width, 3]`.
    ///
    /// # Errors
    /// When `pixels` is not `n` such pictures, or inference fails.
    pub fn classify_pixels(
        &self,
        pixels: &[u8],
        n: usize,
        options: &Options,
    ) -> Result<Vec<Prediction>, ClassifyError> {
        let (logits, infer) = timed(|| self.session.run(pixels, n));
        let timing = Timing { infer: share(infer, n), ..Timing::default() };
        let logits = logits?;
        let each = logits.chunks_exact(self.session.classes());
        Ok(each.map(|logits| self.rank(logits, options, timing)).collect())
    }

    fn fit(&self, encoded: &[u8]) -> Result<Fitted, ClassifyError> {
        let (picture, decode) = timed(|| decode(encoded, &self.limits));
        let picture = picture?;
        let (pixels, preprocess) = timed(|| preprocess::fit(&picture, &self.manifest.input));
        Ok(Fitted { pixels, timing: Timing { decode, preprocess, ..Timing::default() } })
    }

    fn infer(&self, fitted: &Fitted, options: &Options) -> Result<Prediction, ClassifyError> {
        let (logits, infer) = timed(|| self.session.run(&fitted.pixels, 1));
        Ok(self.rank(&logits?, options, Timing { infer, ..fitted.timing }))
    }

    /// Run the good ones of `fitted` together and put the results back in order.
    ///
    /// Should the run fail, each is tried alone, so that each has a result or an error of its own.
    fn infer_together(
        &self,
        fitted: Vec<Result<Fitted, ClassifyError>>,
        options: &Options,
    ) -> Vec<Result<Prediction, ClassifyError>> {
        let good: Vec<&[u8]> = fitted.iter().flatten().map(|f| f.pixels.as_slice()).collect();
        let (n, pixels) = (good.len(), good.concat());
        let (logits, infer) = timed(|| self.session.run(&pixels, n));
        let logits = logits.unwrap_or_default();
        let mut rows = logits.chunks_exact(self.session.classes());
        let infer = share(infer, n);
        fitted
            .into_iter()
            .map(|one| {
                let one = one?;
                match rows.next() {
                    Some(row) => Ok(self.rank(row, options, Timing { infer, ..one.timing })),
                    None => self.infer(&one, options),
                }
            })
            .collect()
    }

    fn rank(&self, logits: &[f32], options: &Options, timing: Timing) -> Prediction {
        let mut predictions = rank::top_k(&rank::softmax(logits), &self.labels, options.top_k);
        let top = predictions[0].clone();
        predictions.retain(|ranked| ranked.score >= options.min_score);
        predictions.truncate(options.top_k);
        Prediction { top, predictions, timing }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    (work(), started.elapsed())
}

fn share(whole: Duration, n: usize) -> Duration {
    whole / u32::try_from(n.max(1)).unwrap_or(u32::MAX)
}
