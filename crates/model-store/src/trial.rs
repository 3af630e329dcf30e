//! Trying a bundle in another process, which loses nothing when the bundle ends it.

use std::fmt::Debug;

use futures::future::BoxFuture;
use glimpse_classifier::Graph;

use crate::digest::Sha256Digest;
use crate::error::{LoadError, TrialError};
use crate::verify::{Hashed, LABELS, MANIFEST, VerifiedBundle, VerifiedManifest};

/// Tries bundles in another process. The program says how, which has to hand the bundle to
/// [`try_here`](crate::try_here) there.
pub trait Trial: Debug + Send + Sync {
    /// Have the bundle loaded and run once. Dropped before its end, the process is ended too. Gives
    /// the bytes of memory that it took for that.
    fn run<'a>(&'a self, candidate: &'a Candidate) -> BoxFuture<'a, Result<u64, TrialError>>;
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

    pub(crate) fn into_bundle(self) -> VerifiedBundle {
        self.0
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
