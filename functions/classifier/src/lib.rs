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
//!     &std::fs::read("bundle/model.onnx")?,
//!     Limits::default(),
//! )?;
//! let prediction = classifier.classify(&std::fs::read("cat.jpg")?, &Options::default())?;
//! println!("{} {:.2}", prediction.top.label, prediction.top.score);
//! # Ok(())
//! # }
//! ```

mod allocator;
mod bundle;
mod classifier;
mod decode;
mod error;
mod jpeg;
mod labels;
mod limits;
mod preprocess;
mod rank;
mod runtime;
mod session;
mod webp;

pub use allocator::keep_freed_memory;
pub use bundle::{FileEntry, InputSpec, Interpolation, Manifest, Metrics, SCHEMA_VERSION};
pub use classifier::{Classifier, Options, Prediction, Timing};
pub use decode::{Picture, decode};
pub use error::{BundleError, ClassifyError, LoadError, OpenError};
pub use labels::Labels;
pub use limits::Limits;
pub use preprocess::fit;
pub use rank::{Ranked, softmax};
pub use runtime::Runtime;
pub use session::Session;
