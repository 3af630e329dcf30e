//! What can go wrong, in the caller's terms.

use std::path::PathBuf;
use std::time::Duration;

/// Why `head.safetensors` is not there, or cannot be used.
pub type HeadError = Box<dyn std::error::Error + Send + Sync>;

/// The ONNX Runtime library cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error(
        "there is no ONNX Runtime library at {path}; point GLIMPSE_ORT_LIBRARY at libonnxruntime.so"
    )]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is not a library, or is for another processor, or too old.
    #[error("cannot open ONNX Runtime at {path}: {source}")]
    Library {
        /// Where it is.
        path: PathBuf,
        /// What the loader said.
        source: ort::LoadDynamicError,
    },
    /// The library is open, but refuses to start.
    #[error("ONNX Runtime cannot start: {0}")]
    Environment(#[source] ort::Error),
}

/// A bundle's description or labels are not of the form that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// `bundle.json` is not JSON of the documented form.
    #[error("bundle.json is not of the documented form: {0}")]
    Json(#[from] serde_json::Error),
    /// Made for another version of the format.
    #[error(
        "bundle.json has schema_version {found}; this version reads 1 to {newest}: {}",
        if found > newest { "the bundle is newer, upgrade this program" } else { "make it anew" }
    )]
    SchemaVersion {
        /// In the file.
        found: u32,
        /// The newest that this crate reads.
        newest: u32,
    },
    /// `name` or `version` cannot be part of an address or of a metric.
    #[error(
        "bundle.json has a {field} that cannot be used; expected 1 to {longest} characters, without \
         slashes and control characters"
    )]
    Name {
        /// Which of the two.
        field: &'static str,
        /// Most characters.
        longest: usize,
    },
    /// One of the bundle's files is not listed.
    #[error("bundle.json lists no file {0}; a bundle has model.onnx and labels.txt")]
    MissingFile(&'static str),
    /// `model.cpu.onnx` is listed without where it may be taken, or the reverse.
    #[error(
        "bundle.json has one of the file model.cpu.onnx and the entry cpu_graph; it needs both or none"
    )]
    CpuGraph,
    /// A checksum is not 64 hexadecimal digits.
    #[error("bundle.json gives {file} a sha256 that is not 64 lower-case hexadecimal digits")]
    Checksum {
        /// The file it belongs to.
        file: String,
    },
    /// `input` cannot be served, or contradicts itself.
    #[error("bundle.json has input.{field} {found}; expected {reason}")]
    Input {
        /// Below `input`.
        field: &'static str,
        /// In the file.
        found: String,
        /// What was expected.
        reason: &'static str,
    },
    /// `thresholds` contradict the task or the labels.
    #[error("bundle.json has thresholds that cannot be used: they {0}")]
    Thresholds(&'static str),
    /// The calibration's temperature cannot divide logits.
    #[error("bundle.json has the calibration temperature {found}; expected 0.01 to 100")]
    Temperature {
        /// In the file.
        found: f64,
    },
    /// No class map has such a grid.
    #[error(
        "bundle.json has class maps with stride {stride} and first cell at {first}; expected pixels \
         of the input, the stride above 0"
    )]
    ClassMaps {
        /// In the file.
        stride: u32,
        /// In the file.
        first: f64,
    },
    /// `labels.txt` is not UTF-8 with one label per line.
    #[error("labels.txt {0}")]
    Labels(&'static str),
}

/// A model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// ONNX Runtime refused the model.
    #[error("ONNX Runtime cannot load the model: {0}")]
    Session(#[source] ort::Error),
    /// `bundle.json` contradicts the labels.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The graph's input or output is not the contract's.
    #[error("the model has {found}; a bundle needs {expected}")]
    Contract {
        /// What the graph declares.
        found: String,
        /// What the bundle format demands.
        expected: String,
    },
}

/// An execution provider cannot be used, or not for this model.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// There is no such file.
    #[error("the provider's library {path} cannot be opened: {source}")]
    Absent {
        /// As configured.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file is not a provider, or for another processor or version.
    #[error("{path} is not a provider that this ONNX Runtime can load: {source}")]
    Library {
        /// Where it is.
        path: PathBuf,
        /// What ONNX Runtime said.
        source: ort::Error,
    },
    /// The process has another library under this name.
    #[error("the provider {name} is {path} until the process ends")]
    Taken {
        /// The provider.
        name: String,
        /// Its library.
        path: PathBuf,
    },
    /// The provider's own name cannot be handled.
    #[error("the provider calls itself {found}, which is too long")]
    Name {
        /// What it calls itself.
        found: String,
    },
    /// It offers no device, or none of the wanted kind.
    #[error("the provider has no {wanted} device; it offers: {offered}")]
    NoDevice {
        /// The wanted kind.
        wanted: String,
        /// The kinds that it offers.
        offered: String,
    },
    /// It did not get ready in its part of the load's time.
    #[error("the provider did not compile the model within {limit:?}")]
    Slow {
        /// Its part.
        limit: Duration,
    },
    /// It still compiles the model of a load that did not wait for it.
    #[error("the provider still compiles the model of an earlier load")]
    Compiling,
    /// It does not run all of the model, or refuses the options.
    #[error("the provider cannot run the whole model: {0}")]
    Session(#[source] ort::Error),
    /// The compiled model does not have the bundle's form.
    #[error(transparent)]
    Contract(#[from] LoadError),
    /// A run of the model failed.
    #[error("the model fails on a trial: {0}")]
    Trial(#[source] ClassifyError),
    /// It does not keep to ONNX Runtime's interface.
    #[error("the provider is broken: a trial of the model ended in a panic")]
    Broken,
    /// It computes something else.
    #[error("its logits differ from the CPU provider's by {difference} of their spread")]
    Answers {
        /// The largest difference, as a part of the spread.
        difference: f32,
    },
}

/// A picture cannot be classified. The text is safe to show to the caller.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// Not one of the formats that are decoded.
    #[error(
        "the image format is not recognised; send JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
    )]
    UnsupportedFormat,
    /// A format that this service is configured not to accept.
    #[error("{format} images are not accepted here; send one of {accepted} (GLIMPSE_FORMATS)")]
    FormatNotAccepted {
        /// The format's name.
        format: &'static str,
        /// The names of the accepted ones.
        accepted: String,
    },
    /// A format whose decoder this program was built without.
    #[error("{format} images are not supported by this build, which lacks the feature `{feature}`")]
    FormatNotBuilt {
        /// The format's name.
        format: &'static str,
        /// The cargo feature.
        feature: &'static str,
    },
    /// A recognised format in a variant that the decoder does not know.
    #[error("{format}: {variant} is not supported; re-encode the image as JPEG or PNG")]
    UnsupportedVariant {
        /// The format's name.
        format: &'static str,
        /// What its decoder does not know, as a noun.
        variant: &'static str,
    },
    /// A page that the file does not have.
    #[error("page {page} does not exist; the image has {pages}, counted from 0")]
    NoSuchPage {
        /// The page asked for, from 0.
        page: u32,
        /// How many there are.
        pages: u32,
    },
    /// Too many pixels, found in the header.
    #[error("image has {pixels} pixels; the limit is {limit} (GLIMPSE_MAX_IMAGE_PIXELS)")]
    ImageTooLarge {
        /// Width × height.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// Few enough pixels, but its decoder would need too much memory.
    #[error("decoding the image needs more than {limit} bytes of memory; send a smaller one")]
    TooMuchMemory {
        /// The limit.
        limit: u64,
    },
    /// Few enough pixels, but decoding them would take too long.
    #[error("decoding this {format} image would take more than {limit:?}; send a smaller one")]
    TooMuchTime {
        /// The format's name.
        format: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// Recognised, but broken.
    #[error("the image is recognised as {format} but cannot be decoded; it may be truncated")]
    Corrupt {
        /// The format's name.
        format: &'static str,
    },
    /// A tensor of pixels is not `[n, height, width, 3]`.
    #[error("got {found} bytes of pixels; {n} pictures of {width}x{height} RGB need {expected}")]
    InvalidPixels {
        /// Bytes given.
        found: usize,
        /// Bytes needed.
        expected: usize,
        /// Pictures announced.
        n: usize,
        /// Input width, pixels.
        width: u32,
        /// Input height, pixels.
        height: u32,
    },
    /// Explanation was asked of a bundle that cannot give it.
    #[error(
        "explain: this model has no class activation maps (the bundle needs the output `features` \
         and head.safetensors)"
    )]
    NoClassMaps,
    /// An embedding was asked of a model that gives none.
    #[error("embedding: this model gives none (the output `features`)")]
    NoEmbedding,
    /// `head.safetensors`, which explanation needs, cannot be had now, or is not what it must be.
    #[error("explain: the bundle's head.safetensors cannot be read; try again later")]
    Head(#[source] HeadError),
    /// A class to be explained is not among the picture's best.
    #[error(
        "explain: {class} is not among the picture's {top_k} best labels; raise top_k or name one of them"
    )]
    NotAmongTheBest {
        /// Its index, or the beginning of its label in quotes.
        class: String,
        /// How many labels there were to choose from.
        top_k: usize,
    },
    /// The overlay picture cannot be made: not the caller's fault.
    #[error("the overlay cannot be made")]
    Overlay(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The session failed: not the caller's fault.
    #[error("inference failed")]
    Inference(#[source] ort::Error),
    /// The model gave NaN or infinity: not the caller's fault.
    #[error("the model's outputs are not finite")]
    NotFinite,
    /// An output has another shape than announced: not the caller's fault.
    #[error("the model's output `{output}` has an unexpected shape")]
    OutputShape {
        /// The output's name.
        output: &'static str,
    },
}

impl ClassifyError {
    /// The stable code of the error, the same in HTTP answers, result objects, records and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedFormat
            | Self::FormatNotAccepted { .. }
            | Self::FormatNotBuilt { .. }
            | Self::UnsupportedVariant { .. } => "unsupported_image_format",
            Self::ImageTooLarge { .. } | Self::TooMuchMemory { .. } | Self::TooMuchTime { .. } => {
                "image_too_large"
            }
            Self::Corrupt { .. } => "corrupt_image",
            Self::InvalidPixels { .. }
            | Self::NoClassMaps
            | Self::NoEmbedding
            | Self::NoSuchPage { .. }
            | Self::NotAmongTheBest { .. } => "invalid_parameter",
            Self::Head(_) => "model_unavailable",
            Self::Overlay(_) | Self::Inference(_) | Self::NotFinite | Self::OutputShape { .. } => {
                "internal"
            }
        }
    }

    /// Whether the picture itself is at fault: trying again with the same one cannot help.
    #[must_use]
    pub fn is_bad_picture(&self) -> bool {
        matches!(self.code(), "unsupported_image_format" | "image_too_large" | "corrupt_image")
    }

    /// Whether the caller could not have avoided it: the model or this program is at fault.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Overlay(_) | Self::Inference(_) | Self::NotFinite | Self::OutputShape { .. }
        )
    }
}
