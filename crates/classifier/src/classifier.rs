//! The main path: an encoded picture to a prediction.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::bundle::{Graph, Manifest};
use crate::close::{CLOSE, CLOSE_BY_PROVIDER, is_close};
use crate::decode::{Cost, Header, Limits, Request, Scale, Source};
use crate::embedding;
use crate::error::{ClassifyError, LoadError};
use crate::explain;
use crate::head::{HeadSource, LazyHead};
use crate::labels::Labels;
use crate::options::Options;
use crate::outputs::Row;
use crate::overlay::OverlayBase;
use crate::prediction::{Prediction, Timing};
use crate::preprocess;
use crate::provided;
use crate::rank;
use crate::runtime::Runtime;
use crate::session::Wanted;
use crate::sessions::Sessions;

/// The file of a bundle that holds the network's last layer.
pub const HEAD_FILE: &str = "head.safetensors";

/// Pictures in one run of the session: more gain nothing on two cores and cost memory.
pub const RUN_SIZE: usize = 8;

/// One more picture in a run takes about so many times its input: what ONNX Runtime keeps of the
/// activations of networks in float32. `tests/tests/edge/batching.rs`
/// holds the committed bundles to it.
const RUN_INPUTS: u64 = 64;

/// Beside the decoded picture, fitting it takes some times the input: rows on their way to it.
const FIT_INPUTS: u64 = 8;

/// A loaded bundle, ready to classify; shared by reference among threads.
pub struct Classifier {
    manifest: Manifest,
    labels: Labels,
    sessions: Sessions,
    graph: Graph,
    limits: Limits,
    head: Option<LazyHead>,
}

/// A picture at the input size, and what it took to get there: [`Classifier::prepare`] makes it.
pub struct Prepared {
    pixels: Vec<u8>,
    header: Option<Header>,
    is_reduced: bool,
    /// Whether it was close at reduced scale, so that the CPU provider decides.
    is_second: bool,
    timing: Timing,
}

impl Prepared {
    /// What the file's header says, if there is a file.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// Whether it was decoded at reduced scale, so that it may have to be decoded again.
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        self.is_reduced
    }

    /// The memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pixels.len() as u64
    }
}

impl Classifier {
    /// Load `model` (the bytes of `model.onnx`, or of the graph that [`Classifier::of`] names), and drop it as soon as it is read. The caller has
    /// verified the bytes against `manifest`; see the crate `glimpse-model-store`.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the model, or its input or output is not the contract's.
    pub fn new(
        runtime: &Runtime,
        manifest: Manifest,
        labels: Labels,
        model: impl AsRef<[u8]> + Send,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        manifest.check_labels(labels.len())?;
        let sessions = provided::sessions(runtime, model, manifest.input, labels.len())?;
        let graph = Graph::Portable;
        Ok(Self { manifest, labels, sessions, graph, limits, head: None })
    }

    /// The same, loaded from another graph of the bundle than `model.onnx`.
    #[must_use]
    pub fn of(self, graph: Graph) -> Self {
        Self { graph, ..self }
    }

    /// The execution provider that runs the model: the configured one, or [`crate::CPU_PROVIDER`], which
    /// decides close labels of the other one ([`CLOSE_BY_PROVIDER`]).
    #[must_use]
    pub fn provider(&self) -> &str {
        self.sessions.main().provider()
    }

    /// The graph of the bundle that runs.
    #[must_use]
    pub fn graph(&self) -> Graph {
        self.graph
    }

    /// The same, which explains its labels by the head that `source` gives where `bundle.json` lists
    /// one. It is asked at the first explained request.
    #[must_use]
    pub fn with_head(self, source: HeadSource) -> Self {
        let listed = self.manifest.files.contains_key(HEAD_FILE);
        let head = listed.then(|| LazyHead::new(source, self.labels.len()));
        Self { head, ..self }
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

    /// Whether the model can explain its labels: it has features and a head, or class maps.
    #[must_use]
    pub fn explains(&self) -> bool {
        let outputs = self.sessions.main().optional_outputs();
        outputs.class_maps || outputs.features.is_some() && self.head.is_some()
    }

    /// Length of the model's embeddings, if it gives them.
    #[must_use]
    pub fn embedding_dimension(&self) -> Option<usize> {
        let outputs = self.sessions.main().optional_outputs();
        outputs.embedding.or(outputs.features)
    }

    /// About how much memory one more picture in a run takes, of all sessions that may run it.
    #[must_use]
    pub fn run_bytes(&self) -> u64 {
        self.sessions.count() * RUN_INPUTS * self.manifest.input.bytes() as u64
    }

    /// How long the run of the model that is under way takes already, for a supervisor.
    #[must_use]
    pub fn run_age(&self) -> Option<Duration> {
        self.sessions.run_age()
    }

    /// Tell a run that takes longer than `limit` to end, which then fails; whether there was one. It
    /// ends when the operator that it is at has ended.
    pub fn end_run_after(&self, limit: Duration) -> bool {
        self.sessions.end_run_after(limit)
    }

    /// Whether this model can do what `options` ask for; classifying checks it too.
    ///
    /// # Errors
    /// Names what the model lacks.
    pub fn check(&self, options: &Options) -> Result<(), ClassifyError> {
        if options.explain.is_some() && !self.explains() {
            return Err(ClassifyError::NoClassMaps);
        }
        if options.embedding && self.embedding_dimension().is_none() {
            return Err(ClassifyError::NoEmbedding);
        }
        Ok(())
    }

    /// The same for pixels without a file.
    fn check_alone(&self, options: &Options) -> Result<(), ClassifyError> {
        self.check(options)?;
        match options.page {
            0 => Ok(()),
            page => Err(ClassifyError::NoSuchPage { page, pages: 1 }),
        }
    }

    /// Classify one encoded picture.
    ///
    /// # Errors
    /// When the picture is refused or broken, the model lacks what `options` ask for, a class to be
    /// explained is not among the best, or inference fails.
    pub fn classify(&self, encoded: &[u8], options: &Options) -> Result<Prediction, ClassifyError> {
        self.check(options)?;
        let request = Request::of(options);
        let once = |request| self.classify_one(&self.prepare_page(encoded, request)?, options);
        let mut result = once(request)?;
        if result.is_close {
            result.replace_by(once(request.at_full_scale()).ok());
        }
        Ok(result)
    }

    /// Classify many encoded pictures: one result each, in order; a bad picture does not affect the others.
    pub fn classify_batch<B: AsRef<[u8]> + Sync>(
        &self,
        encoded: &[B],
        options: &Options,
    ) -> Vec<Result<Prediction, ClassifyError>> {
        let mut results = Vec::with_capacity(encoded.len());
        for chunk in encoded.chunks(RUN_SIZE) {
            let request = Request::of(options);
            let prepare = |bytes: &B| self.prepare_page(bytes.as_ref(), request);
            let fit = |bytes| self.check(options).and_then(|()| prepare(bytes));
            let fitted = chunk.par_iter().map(fit).collect();
            let mut found = self.classify_each(fitted, options);
            let again =
                |place: usize| self.prepare_page(chunk[place].as_ref(), request.at_full_scale());
            self.classify_again(&mut found, options, again);
            results.extend(found);
        }
        results
    }

    /// Classify pictures that are already at the input size: uint8 RGB `[n, height, width, 3]`. They
    /// have no pages.
    ///
    /// # Errors
    /// When `pixels` is not `n` such pictures, or as [`Classifier::classify`] for any of them.
    pub fn classify_pixels(
        &self,
        pixels: &[u8],
        n: usize,
        options: &Options,
    ) -> Result<Vec<Prediction>, ClassifyError> {
        self.check_alone(options)?;
        let wanted = wanted([options]);
        let close = |_, logits: &[f32]| self.is_close(logits, options, CLOSE_BY_PROVIDER);
        let (outputs, infer) = timed(|| self.sessions.run_for(wanted, (pixels, n), close));
        let timing = Timing { infer: share(infer, n), ..Timing::default() };
        let each = pixels.chunks_exact(self.manifest.input.bytes());
        let prediction = |((row, decided_by_cpu), one)| {
            let prediction = self.to_prediction(&row, one, options, timing)?;
            Ok(Prediction { decided_by_cpu, ..prediction })
        };
        outputs?.rows().zip(each).map(prediction).collect()
    }

    /// The pictures of [`Classifier::classify_pixels`], each for itself, for a caller who runs them
    /// with others under `options`.
    ///
    /// # Errors
    /// When `pixels` is not `n` such pictures, or the model lacks what `options` ask for.
    pub fn prepared(
        &self,
        pixels: Vec<u8>,
        n: usize,
        options: &Options,
    ) -> Result<Vec<Prepared>, ClassifyError> {
        self.check_alone(options)?;
        self.sessions.main().check_pixels(&pixels, n)?;
        let (header, timing) = (None, Timing::default());
        let alone =
            |pixels| Prepared { pixels, header, is_reduced: false, is_second: false, timing };
        if n == 1 {
            return Ok(vec![alone(pixels)]);
        }
        let each = pixels.chunks_exact(self.manifest.input.bytes());
        Ok(each.map(|one| alone(one.to_vec())).collect())
    }

    /// What the file's header says, and what [`Classifier::prepare_page`] will take, for a caller who has
    /// a budget: no pixel is read.
    ///
    /// # Errors
    /// When the header is enough to refuse the picture.
    pub fn announced(
        &self,
        encoded: &[u8],
        request: Request,
    ) -> Result<(Header, Cost), ClassifyError> {
        let source = Source::open(encoded, request, &self.limits)?;
        let (header, input) = (source.header(), &self.manifest.input);
        let cost = source.cost(self.scale(&header, request));
        self.limits.check(header.format, &cost)?;
        // Between the passes of resizing, one side is the picture's and one the input's.
        let (longest, side) = (header.width.max(header.height), input.width.max(input.height));
        let between = header.pixels().min(u64::from(longest) * u64::from(side)) * 3;
        let peak_bytes = cost.peak_bytes + between + FIT_INPUTS * input.bytes() as u64;
        Ok((header, Cost { peak_bytes, time: self.limits.time_here(&cost) }))
    }

    /// How large a picture is to be decoded.
    fn scale(&self, header: &Header, request: Request) -> Scale {
        if request.full_scale {
            return Scale::Full;
        }
        preprocess::needed(header, &self.manifest.input)
    }

    /// Decode one encoded picture and fit it to the model's input: the part of
    /// [`Classifier::classify`] that needs no session, for a caller who overlaps the two.
    ///
    /// # Errors
    /// When the picture is refused or broken.
    pub fn prepare(&self, encoded: &[u8]) -> Result<Prepared, ClassifyError> {
        self.prepare_page(encoded, Request::default())
    }

    /// [`Classifier::prepare`] for another page than the first.
    ///
    /// # Errors
    /// As [`Classifier::prepare`], and when the file does not have the page.
    pub fn prepare_page(
        &self,
        encoded: &[u8],
        request: Request,
    ) -> Result<Prepared, ClassifyError> {
        let input = &self.manifest.input;
        let (picture, decode) = timed(|| {
            let source = Source::open(encoded, request, &self.limits)?;
            let scale = self.scale(&source.header(), request);
            source.decode(scale)
        });
        let picture = picture?;
        let (pixels, preprocess) = timed(|| preprocess::fit(&picture, input));
        let timing = Timing { decode, preprocess, ..Timing::default() };
        let (is_reduced, is_second) = (picture.is_reduced(), request.full_scale);
        Ok(Prepared { pixels, header: Some(picture.header), is_reduced, is_second, timing })
    }

    /// The rest of [`Classifier::classify`] for a picture that is prepared already.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify_one(
        &self,
        prepared: &Prepared,
        options: &Options,
    ) -> Result<Prediction, ClassifyError> {
        self.classify_together(&[(prepared, options)])?.remove(0)
    }

    /// Classify pictures of [`Classifier::prepare`] in one run of the session: one result each, in
    /// order, each under its own options.
    ///
    /// If the run fails, each is tried separately, so that each gets its own result or error.
    pub fn classify_prepared(
        &self,
        pictures: &[(&Prepared, &Options)],
    ) -> Vec<Result<Prediction, ClassifyError>> {
        let each =
            |_| pictures.iter().map(|(one, options)| self.classify_one(one, options)).collect();
        self.classify_together(pictures).unwrap_or_else(each)
    }

    /// The same for a caller who tries them separately himself.
    ///
    /// # Errors
    /// When the run fails, whichever picture is at fault, or the model lacks what any of the options
    /// ask for.
    pub fn classify_together(
        &self,
        pictures: &[(&Prepared, &Options)],
    ) -> Result<Vec<Result<Prediction, ClassifyError>>, ClassifyError> {
        let options = pictures.iter().map(|(_, options)| *options);
        options.clone().try_for_each(|options| self.check(options))?;
        let (n, wanted) = (pictures.len(), wanted(options));
        // One picture is not copied. Several are, which takes a thousandth of their run.
        let copied: Vec<u8>;
        let pixels = match pictures {
            [(one, _)] => one.pixels.as_slice(),
            _ => {
                let each: Vec<_> = pictures.iter().map(|(one, _)| one.pixels.as_slice()).collect();
                copied = each.concat();
                &copied
            }
        };
        // What is close at reduced scale is decided at full scale, where nothing else has to be.
        let close = |place: usize, logits: &[f32]| {
            let (one, options): (&Prepared, _) = pictures[place];
            !one.is_reduced && (one.is_second || self.is_close(logits, options, CLOSE_BY_PROVIDER))
        };
        let (outputs, infer) = timed(|| {
            if pictures.iter().all(|(one, _)| one.is_second) {
                return self.sessions.run_by_cpu(wanted, (pixels, n));
            }
            self.sessions.run_for(wanted, (pixels, n), close)
        });
        let outputs = outputs?;
        let infer = share(infer, n);
        let each = outputs.rows().zip(pictures);
        let each = each.map(|((row, decided_by_cpu), (one, options))| {
            let timing = Timing { infer, ..one.timing };
            let prediction = self.to_prediction(&row, &one.pixels, options, timing)?;
            let is_close = one.is_reduced && self.is_close(row.logits, options, CLOSE);
            Ok(Prediction { header: one.header, is_close, decided_by_cpu, ..prediction })
        });
        Ok(each.collect())
    }

    /// Classify what [`Classifier::prepare`] gave: one result each, in order. A picture that could not
    /// be prepared keeps its error; the others share runs of the session.
    pub fn classify_each<E: From<ClassifyError>>(
        &self,
        prepared: Vec<Result<Prepared, E>>,
        options: &Options,
    ) -> Vec<Result<Prediction, E>> {
        let good: Vec<_> = prepared.iter().flatten().map(|one| (one, options)).collect();
        let runs = good.chunks(RUN_SIZE).flat_map(|run| self.classify_prepared(run));
        let mut results = runs.collect::<Vec<_>>().into_iter();
        let own = |one| match one {
            Ok(_) => results.next().map(|result| result.map_err(E::from)),
            Err(error) => Some(Err(error)),
        };
        prepared.into_iter().filter_map(own).collect()
    }

    /// Classify again, at full scale, those of `results` that are too close ([`Prediction::is_close`]).
    /// `prepare` gives the picture of a place in `results`; where it fails, the result stands.
    pub fn classify_again<E: From<ClassifyError> + Send>(
        &self,
        results: &mut [Result<Prediction, E>],
        options: &Options,
        prepare: impl Fn(usize) -> Result<Prepared, E> + Sync,
    ) {
        let is_close =
            |result: &Result<Prediction, E>| result.as_ref().is_ok_and(|one| one.is_close);
        let places = results.iter().enumerate().filter(|(_, result)| is_close(result));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        if places.is_empty() {
            return;
        }
        let prepared = places.par_iter().map(|place| prepare(*place)).collect();
        for (place, full) in places.into_iter().zip(self.classify_each(prepared, options)) {
            if let Ok(result) = &mut results[place] {
                result.replace_by(full.ok());
            }
        }
    }

    /// Whether the answer to one picture's logits depends on less than `margin`.
    fn is_close(&self, logits: &[f32], options: &Options, margin: f32) -> bool {
        is_close(logits, &self.manifest, options.abstain_below, margin)
    }

    /// The prediction from one picture's outputs; `pixels` are at the input size.
    fn to_prediction(
        &self,
        row: &Row<'_>,
        pixels: &[u8],
        options: &Options,
        timing: Timing,
    ) -> Result<Prediction, ClassifyError> {
        let scores = rank::scores(row.logits, &self.manifest);
        let mut predictions = rank::top_k(&scores, &self.labels, options.top_k);
        let Manifest { input, class_maps: cells, .. } = &self.manifest;
        let base = OverlayBase { pixels, input, cells: *cells };
        let explain = |wanted| {
            let own = self.sessions.main().optional_outputs().class_maps;
            let head = self.head.as_ref().filter(|_| !own).map(LazyHead::get).transpose()?;
            explain::explain(row, &predictions, wanted, &base, head)
        };
        let explanations = options.explain.as_ref().map(explain).transpose()?;
        let top = predictions[0].clone();
        predictions.retain(|ranked| ranked.score >= options.min_score);
        predictions.truncate(options.top_k);
        Ok(Prediction {
            abstained: top.score < options.abstain_below,
            top,
            predictions,
            labels: rank::given(&scores, &self.labels, &self.manifest),
            explanations,
            embedding: options
                .embedding
                .then(|| row.embedding())
                .flatten()
                .map(|features| embedding::normalised(&features)),
            energy: options.energy.then(|| rank::energy_of(row.logits, self.manifest.task)),
            header: None,
            is_close: false,
            decoded_again: false,
            decided_by_cpu: false,
            timing,
        })
    }
}

/// The outputs that any of the options need.
fn wanted<'a>(options: impl IntoIterator<Item = &'a Options>) -> Wanted {
    options.into_iter().fold(Wanted::default(), |wanted, options| Wanted {
        class_maps: wanted.class_maps || options.explain.is_some(),
        embedding: wanted.embedding || options.embedding,
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    (work(), started.elapsed())
}

fn share(whole: Duration, n: usize) -> Duration {
    whole / u32::try_from(n.max(1)).unwrap_or(u32::MAX)
}
