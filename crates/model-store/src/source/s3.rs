//! A bundle under an S3 prefix.

use std::sync::Arc;

use bytes::BytesMut;
use futures::{FutureExt as _, StreamExt as _};
use glimpse_classifier::Graph;
use glimpse_objects::{Download, Location, ObjectError, Objects};
use tokio::sync::mpsc;
use tokio::task;

use crate::digest::Sha256Digest;
use crate::error::LoadError;
use crate::graphs::Graphs;
use crate::verify::{
    Hashed, Hasher, LABELS, MANIFEST, MAX_TEXT_BYTES, VerifiedBundle, VerifiedManifest,
};

/// Pieces of a file that may wait for being hashed.
const PIECES_AHEAD: usize = 8;

/// Where a bundle is in S3, and what it must be.
pub(crate) struct S3Bundle<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) expected_digest: Option<&'a Sha256Digest>,
    pub(crate) max_model_bytes: u64,
}

/// A file of the bundle whose size is known and whose first bytes are on their way.
struct Begun {
    location: Location,
    download: Download,
}

impl S3Bundle<'_> {
    /// Read and verify only `bundle.json`.
    pub(crate) async fn manifest(&self) -> Result<VerifiedManifest, LoadError> {
        let text = self.begin(MANIFEST, MAX_TEXT_BYTES).await?.read().await?;
        VerifiedManifest::verify(text, self.expected_digest)
    }

    /// Read and verify the bundle, without its `bundle.json` where that is `known`; all of it once
    /// more if it changes meanwhile.
    pub(crate) async fn read(
        &self,
        known: Option<VerifiedManifest>,
        graphs: &Graphs,
    ) -> Result<VerifiedBundle, LoadError> {
        let first = match known {
            Some(manifest) => self.read_described(manifest, graphs).boxed(),
            None => self.read_at_once(graphs).boxed(),
        };
        match first.await {
            Err(LoadError::Changed { what, .. }) => {
                tracing::warn!(what, "the bundle changed while it was read; reading it again");
                self.read_described(self.manifest().await?, graphs).await
            }
            done => done,
        }
    }

    /// The files at the same time: the model does not wait for `bundle.json`, only for what that says
    /// of it. Which graph will be taken is assumed; where that is wrong, hardly more than the first
    /// bytes of the other one have come.
    async fn read_at_once(&self, graphs: &Graphs) -> Result<VerifiedBundle, LoadError> {
        let assumed = graphs.assumed();
        let (manifest, labels, model) = tokio::try_join!(
            self.manifest(),
            self.begin(LABELS, MAX_TEXT_BYTES),
            // A bundle may be without it: an error counts only once the graph is wanted.
            self.begin_model(assumed).map(Ok),
        )?;
        let graph = graphs.choose(manifest.manifest()).await?;
        let model = if graph == assumed { model? } else { self.begin_model(graph).await? };
        finish(manifest, labels, graph, model).await
    }

    async fn read_described(
        &self,
        manifest: VerifiedManifest,
        graphs: &Graphs,
    ) -> Result<VerifiedBundle, LoadError> {
        let graph = graphs.choose(manifest.manifest()).await?;
        let (labels, model) =
            tokio::try_join!(self.begin(LABELS, MAX_TEXT_BYTES), self.begin_model(graph))?;
        finish(manifest, labels, graph, model).await
    }

    async fn begin_model(&self, graph: Graph) -> Result<Begun, LoadError> {
        self.begin(graph.file(), self.max_model_bytes).await
    }

    /// Read one file of the bundle, not verified yet.
    pub(crate) async fn file(&self, name: &str, limit: u64) -> Result<Hashed, LoadError> {
        self.begin(name, limit).await?.read().await
    }

    async fn begin(&self, file: &str, limit: u64) -> Result<Begun, LoadError> {
        let key = match self.prefix {
            "" => file.to_owned(),
            prefix => format!("{prefix}/{file}"),
        };
        let location = Location::new(self.bucket, key);
        match self.objects.download(location.clone(), limit).boxed().await {
            Ok(download) => Ok(Begun { location, download }),
            Err(error) => Err(load_error(&location, error)),
        }
    }
}

/// Read the files that have begun, if their sizes are those that `manifest` says.
async fn finish(
    manifest: VerifiedManifest,
    labels: Begun,
    graph: Graph,
    model: Begun,
) -> Result<VerifiedBundle, LoadError> {
    manifest.check_size(LABELS, labels.download.total())?;
    manifest.check_size(graph.file(), model.download.total())?;
    let (labels, model) = tokio::try_join!(labels.read(), model.read())?;
    manifest.complete(labels, graph, model)
}

impl Begun {
    /// Read all of it. Pieces arrive in any order and are hashed in theirs, on another thread.
    async fn read(self) -> Result<Hashed, LoadError> {
        let Self { location, download } = self;
        let (sender, mut receiver) = mpsc::channel::<BytesMut>(PIECES_AHEAD);
        let hashing = task::spawn_blocking(move || {
            let mut hasher = Hasher::default();
            while let Some(piece) = receiver.blocking_recv() {
                hasher.push(piece);
            }
            hasher.finish()
        });
        let mut pieces = std::pin::pin!(download.pieces());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| load_error(&location, error))?;
            if sender.send(piece).await.is_err() {
                break; // The hashing has ended; its own error says why.
            }
        }
        drop(sender);
        hashing.await.map_err(LoadError::interrupted)
    }
}

/// What it means for a load that a file of the bundle was not read.
fn load_error(location: &Location, error: ObjectError) -> LoadError {
    let what = location.to_string();
    match error {
        ObjectError::NotFound { .. } => LoadError::Missing { what, source: Arc::new(error) },
        ObjectError::NoSuchBucket { .. } => {
            let what = format!("the bucket of {what}");
            LoadError::Missing { what, source: Arc::new(error) }
        }
        ObjectError::Changed { .. } => LoadError::Changed { what, source: Arc::new(error) },
        ObjectError::DirectoryBucket => LoadError::Unsupported { what, source: Arc::new(error) },
        ObjectError::TooLarge { bytes, limit, .. } => LoadError::TooLarge { what, bytes, limit },
        error => LoadError::Unreachable { what, source: Arc::new(error) },
    }
}
