//! Where a model bundle comes from: fetched lazily, verified always, cached for the next cold start.
//!
//! ```no_run
//! use glimpse_model_store::{ModelStore, StoreConfig};
//! use glimpse_objects::Objects;
//! use glimpse_settings::Environment;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = ModelStore::new(StoreConfig::read(&Environment)?, Objects::from_env());
//! store.warm(); // returns at once; the load runs beside whatever else a start has to do
//! let classifier = store.get().await?; // waits for what is left of it
//! println!("{}", classifier.manifest().name);
//! # Ok(())
//! # }
//! ```

mod attempt;
mod cache;
mod config;
mod digest;
mod error;
mod graphs;
mod head;
mod load;
mod report;
mod source;
mod store;
mod trial;
mod verify;

pub use config::{ModelSource, StoreConfig, settings};
pub use digest::{InvalidDigest, Sha256Digest};
pub use error::{FailureKind, LoadError, TrialError};
pub use load::try_here;
pub use report::{LoadReport, LoadedFrom};
pub use store::{ModelStore, Refreshed};
pub use trial::{Candidate, Trial};
