//! Trying a bundle in another process, which loses nothing when the bundle ends it.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use glimpse_classifier::Graph;
use glimpse_objects::Objects;

use crate::config::StoreConfig;
use crate::digest::Sha256Digest;
use crate::error::LoadError;
use crate::load::Loader;
use crate::verify::{Hashed, LABELS, MANIFEST, VerifiedBundle, VerifiedManifest};

/// Tries bundles in another process. The program says how, which has to hand the bundle to
/// [`try_here`] there.
pub trait Trial: Debug + Send + Sync {
    /// Have the bundle loaded and run once. Dropped before its end, the process is ended too. Gives
    /// the bytes of memory that it took for that.
    fn run<'a>(&'a self, candidate: &'a Candidate) -> BoxFuture<'a, Result<u64, TrialError>>;
}

/// Why a bundle did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It cannot be loaded or run.
    #[error("the bundle failed its trial: {0}")]
    Failed(String),
    /// The process ended before it could say anything.
    #[error(
        "the bundle ended the process that tried it ({status}): it needs more than the {bytes} bytes \
         that are free, or breaks ONNX Runtime"
    )]
    Ended {
        /// How.
        status: String,
        /// What it could take.
        bytes: u64,
    },
    /// There is no such process.
    #[error("the bundle cannot be tried: {0}")]
    NoProcess(#[from] io::Error),
}

/// A verified bundle that has not been loaded.
pub struct Candidate(VerifiedBundle);

impl Candidate {
    /// The files of a bundle, verified again; they are named as [`Candidate::files`] names them.
    ///
    /// # Errors
    /// When they are not the bundle with this digest.
    pub fn of(digest: &Sha256Digest, files: Vec<(String, Vec<u8>)>) -> Result<Self, LoadError> {
        let (mut manifest, mut labels, mut model) = (Vec::new(), Vec::new(), Vec::new());
        let mut graph = Graph::Portable;
        for (name, content) in files {
            match &*name {
                MANIFEST => manifest = content,
                LABELS => labels = content,
                name => {
                    graph = if name == Graph::Cpu.file() { Graph::Cpu } else { Graph::Portable };
                    model = content;
                }
            }
        }
        let manifest = VerifiedManifest::verify(Hashed::of(manifest), Some(digest))?;
        Ok(Self(manifest.complete(Hashed::of(labels), graph, Hashed::of(model))?))
    }

    /// The SHA-256 of its `bundle.json`.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.0.digest()
    }

    /// Its files, without what is read only when it is needed.
    #[must_use]
    pub fn files(&self) -> [(&'static str, &[u8]); 3] {
        self.0.files()
    }
}

impl From<VerifiedBundle> for Candidate {
    fn from(bundle: VerifiedBundle) -> Self {
        Self(bundle)
    }
}

/// Load the bundle in this process and run it once, as it would be served by `config`.
///
/// # Errors
/// When it cannot be served.
pub async fn try_here(config: StoreConfig, candidate: Candidate) -> Result<(), LoadError> {
    let loader = Loader::new(StoreConfig { trial: None, ..config }, Objects::from_env());
    loader.try_bundle(candidate.0).await
}

impl From<TrialError> for LoadError {
    fn from(error: TrialError) -> Self {
        Self::Tried(Arc::new(error))
    }
}
