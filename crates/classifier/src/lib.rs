//! From the bytes of a picture to ranked labels: decode → preprocess → infer → rank.
//!
//! The engine knows no AWS, no HTTP and no async runtime, so it serves as an ordinary library:
//!
//! ```no_run
//! use glimpse_classifier::{Classifier, Labels, Limits, Manifest, Options, Runtime};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::open("libonnxruntime.so".as_ref())?;
//! let classifier = Classifier::new(
//!     &runtime,
//!     Manifest::parse(&std::fs::read("bundle/bundle.json")?)?,
//!     Labels::parse(&std::fs::read("bundle/labels.txt")?)?,
//!     std::fs::read("bundle/model.onnx")?,
//!     Limits::default(),
//! )?;
//! let prediction = classifier.classify(&std::fs::read("cat.jpg")?, &Options::default())?;
//! println!("{} {:.2}", prediction.top.label, prediction.top.score);
//! # Ok(())
//! # }
//! ```
//!
//! Class activation maps need the bundle's head: [`Classifier::with_head`].
//!
//! On request a prediction has class activation maps, an energy score (how unlike the training
//! pictures this one is) and an embedding (a vector to find similar pictures by).
//!
//! ```no_run
//! use glimpse_classifier::{Classifier, Explain, Explanations, Options};
//! # fn example(classifier: &Classifier) -> Result<(), Box<dyn std::error::Error>> {
//! let explain = Some(Explain { overlay: true, ..Explain::default() });
//! let options = Options { explain, embedding: true, energy: true, ..Options::default() };
//! let prediction = classifier.classify(&std::fs::read("cat.jpg")?, &options)?;
//! for explanation in prediction.explanations.iter().flat_map(Explanations::as_slice) {
//!     println!("{}: {:?}", explanation.label, explanation.map.scaled());
//!     std::fs::write("overlay.png", explanation.overlay.as_deref().unwrap_or_default())?;
//! }
//! # Ok(())
//! # }
//! ```

mod activation_map;
mod bundle;
mod classifier;
mod close;
mod contract;
mod decode;
mod embedding;
mod ending;
mod error;
mod explain;
mod head;
mod labels;
mod options;
mod outputs;
mod overlay;
mod prediction;
mod preprocess;
mod provided;
mod provider;
mod rank;
mod runtime;
mod session;
mod sessions;
mod stream;
mod version;

pub use activation_map::ClassActivationMap;
pub use bundle::{
    Calibration, Cells, CpuGraph, Crop, Figures, FileEntry, Filter, Graph, InputSpec, Manifest,
    Metrics, Resize, ResizeMode, SCHEMA_VERSION, Size, Task,
};
pub use classifier::{Classifier, HEAD_FILE, Prepared, RUN_SIZE};
pub use close::{CLOSE, CLOSE_BY_PROVIDER};
pub use decode::{
    Cost, Format, FormatSet, Header, Limits, Picture, PictureCounts, Request, Scale, Source,
    UnknownFormat, decode,
};
pub use error::{BundleError, ClassifyError, HeadError, LoadError, OpenError, ProviderError};
pub use explain::{Explanation, Explanations};
pub use head::HeadSource;
pub use labels::Labels;
pub use options::{Class, Explain, Options};
pub use prediction::{Prediction, Timing};
pub use preprocess::{fit, needed};
pub use provider::{CPU_PROVIDER, DeviceKind, InvalidProvider, ProviderConfig};
pub use rank::{Ranked, energy, joint_energy, softmax};
pub use runtime::Runtime;
pub use session::Session;
