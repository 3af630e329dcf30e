//! One load from beginning to end: everything that can overlap does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use glimpse_classifier::{Classifier, Graph, HeadSource, Options, ProviderConfig, Runtime};
use glimpse_objects::Objects;
use glimpse_telemetry::{emf, measure};
use tokio::task::{self, JoinHandle};

use crate::attempt::GivenUp;
use crate::cache::{Cache, Draft};
use crate::config::{ModelSource, StoreConfig};
use crate::digest::Sha256Digest;
use crate::error::{FailureKind, LoadError};
use crate::graphs::{Graphs, Opening};
use crate::head::{self, HeadPlace};
use crate::report::{LoadReport, LoadedFrom};
use crate::source::folder;
use crate::source::s3::S3Bundle;
use crate::trial::Candidate;
use crate::verify::{VerifiedBundle, VerifiedManifest};

/// What a load gives.
pub(crate) struct Loaded {
    pub(crate) classifier: Arc<Classifier>,
    /// Of `bundle.json`.
    pub(crate) digest: Sha256Digest,
    pub(crate) report: LoadReport,
}

/// Loads the configured bundle, from its source or from the cache.
pub(crate) struct Loader {
    config: StoreConfig,
    objects: Objects,
    cache: Cache,
    /// What took too long once is not tried again.
    given_up: GivenUp,
}

/// Which bundle is to be loaded.
enum Asked {
    /// What the source has, for a start.
    Source,
    /// What the source has in place of the one that serves.
    Changed(VerifiedManifest),
    /// This one.
    Given(VerifiedBundle),
}

/// Loaded, and not in service yet.
struct Ready {
    loaded: Loaded,
    cache_update: CacheUpdate,
}

/// What is left to do in the cache once a bundle serves.
enum CacheUpdate {
    /// Nothing: it came from a folder.
    None,
    /// It was downloaded and becomes an entry.
    Commit(JoinHandle<io::Result<Draft>>),
    /// It was there; now it is the newest again.
    Touch,
}

impl Loader {
    pub(crate) fn new(config: StoreConfig, objects: Objects) -> Self {
        let uri = match &config.source {
            ModelSource::Folder(path) => path.display().to_string(),
            ModelSource::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        };
        let cache = match &config.cache_dir {
            Some(root) => Cache::new(root, &uri),
            None => Cache::new(&std::env::temp_dir().join("glimpse"), &uri),
        };
        Self { config, objects, cache, given_up: GivenUp::default() }
    }

    /// The time that a load may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.config.load_deadline
    }

    /// Obtain the bundle, open ONNX Runtime beside that, create the session; keep a download.
    pub(crate) async fn load(&self) -> Result<Loaded, LoadError> {
        let ready = self.prepare(Asked::Source).await?;
        if self.config.try_first {
            self.try_out(&ready.loaded).await?;
        }
        Ok(self.activate(ready))
    }

    /// The bundle that the source has now, loaded and tried, unless it is the `current` one.
    pub(crate) async fn reload(&self, current: Sha256Digest) -> Result<Option<Loaded>, LoadError> {
        if self.config.expected_digest == Some(current) {
            return Ok(None);
        }
        let manifest = self.manifest().await?;
        if manifest.digest() == current {
            return Ok(None);
        }
        self.given_up.check(manifest.digest())?;
        // Its weights, and as much again while they are laid out.
        check_room(manifest.model_bytes().saturating_mul(2))?;
        let ready = self.prepare(Asked::Changed(manifest)).await?;
        self.try_out(&ready.loaded).await?;
        Ok(Some(self.activate(ready)))
    }

    /// Load `bundle` and run it, and no more.
    pub(crate) async fn try_bundle(&self, bundle: VerifiedBundle) -> Result<(), LoadError> {
        self.try_out(&self.prepare(Asked::Given(bundle)).await?.loaded).await
    }

    /// Have another process try the bundle first, where the program has one for that.
    async fn try_apart(&self, bundle: &VerifiedBundle) -> Result<(), LoadError> {
        let Some(trial) = &self.config.trial else { return Ok(()) };
        let attempt = self.given_up.attempt(bundle.digest(), self.deadline());
        let passed = trial.run(&Candidate::from(bundle.clone())).await;
        attempt.done();
        check_room(passed?)
    }

    async fn prepare(&self, asked: Asked) -> Result<Ready, LoadError> {
        let started = Instant::now();
        let library = self.open_library();
        let graphs = Graphs::new(library.clone(), &self.config);
        let ((runtime, open_library), (bundle, loaded_from, fetch)) =
            tokio::try_join!(library, async {
                let (bundle, loaded_from) = match asked {
                    Asked::Source => self.obtain(&graphs).boxed().await?,
                    Asked::Given(bundle) => (bundle, LoadedFrom::Folder),
                    Asked::Changed(manifest) => {
                        let changed = self.obtain_described(manifest, &graphs).boxed().await?;
                        self.try_apart(&changed.0).await?;
                        changed
                    }
                };
                Ok((bundle, loaded_from, started.elapsed()))
            })?;
        let verify = bundle.hashing();
        let session_started = Instant::now();
        let (limits, digest) = (self.config.limits, bundle.digest());
        let cache_update = match loaded_from {
            LoadedFrom::S3 if self.config.keep => CacheUpdate::Commit(self.draft(bundle.clone())),
            LoadedFrom::Folder | LoadedFrom::S3 => CacheUpdate::None,
            LoadedFrom::Cache => CacheUpdate::Touch,
        };
        self.given_up.check(digest)?;
        let attempt = self.given_up.attempt(digest, self.deadline());
        let left = self.config.load_deadline.saturating_sub(started.elapsed());
        let runtime = runtime.with_load_limit(left);
        let (head, graph) = (self.head(&bundle), bundle.graph());
        let classifier = blocking(move || {
            let (manifest, labels, model) = bundle.into_content();
            let created = Classifier::new(&runtime, manifest, labels, model, limits);
            let classifier = created.map_err(Arc::new)?.of(graph);
            Ok(match head {
                Some(head) => classifier.with_head(head),
                None => classifier,
            })
        })
        .await;
        attempt.done();
        let classifier = classifier?;
        let (session, total) = (session_started.elapsed(), started.elapsed());
        let report = LoadReport { loaded_from, open_library, fetch, verify, session, total };
        let loaded = Loaded { classifier: Arc::new(classifier), digest, report };
        Ok(Ready { loaded, cache_update })
    }

    /// Run it once; a run that does not end is ended when the load is given up.
    async fn try_out(&self, loaded: &Loaded) -> Result<(), LoadError> {
        struct EndRun(Arc<Classifier>);
        impl Drop for EndRun {
            fn drop(&mut self) {
                self.0.end_run_after(Duration::ZERO);
            }
        }
        let attempt = self.given_up.attempt(loaded.digest, self.deadline());
        let _end_run = EndRun(loaded.classifier.clone());
        let classifier = loaded.classifier.clone();
        let tried = blocking(move || warm_up(&classifier)).await;
        attempt.done();
        tried
    }

    /// What reads the bundle's head, where it has one.
    fn head(&self, bundle: &VerifiedBundle) -> Option<HeadSource> {
        let expected = bundle.head()?;
        let place = match &self.config.source {
            ModelSource::Folder(path) => {
                HeadPlace::in_folder(path.clone(), self.config.max_model_bytes)
            }
            ModelSource::S3 { bucket, prefix } => HeadPlace::S3 {
                objects: self.objects.clone(),
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                entry: self.cache.entry(&bundle.digest()),
            },
        };
        Some(head::source(place, expected, self.config.max_model_bytes))
    }

    /// It serves from here on, and is what the next start finds first in the cache.
    fn activate(&self, ready: Ready) -> Loaded {
        let Ready { loaded, cache_update } = ready;
        (self.config.on_loaded)();
        match cache_update {
            CacheUpdate::None => {}
            CacheUpdate::Commit(draft) => commit(draft),
            CacheUpdate::Touch => {
                let (cache, digest) = (self.cache.clone(), loaded.digest);
                task::spawn_blocking(move || cache.touch(&digest));
            }
        }
        loaded.report.log(&loaded.classifier);
        measure::model_loaded(loaded.report.total);
        let manifest = loaded.classifier.manifest();
        emf::name_model(&manifest.name, &manifest.version);
        loaded
    }

    /// Starts at once, on a thread of its own.
    fn open_library(&self) -> Opening {
        let config = &self.config;
        let (library, threads, arena) = (config.ort_library.clone(), config.threads, config.arena);
        let provider = config.provider.clone();
        let opening = task::spawn_blocking(move || {
            let started = Instant::now();
            let runtime = Runtime::open(&library).map_err(Arc::new)?.with_arena(arena);
            let runtime = match threads {
                Some(threads) => runtime.with_threads(threads),
                None => runtime,
            };
            let runtime = match provider {
                Some(provider) => with_provider(runtime, &provider),
                None => runtime,
            };
            Ok((runtime, started.elapsed()))
        });
        opening.map(|opened| opened.map_err(LoadError::interrupted)?).boxed().shared()
    }

    /// The source's `bundle.json`.
    async fn manifest(&self) -> Result<VerifiedManifest, LoadError> {
        let expected = self.config.expected_digest;
        match &self.config.source {
            ModelSource::Folder(path) => {
                let path = path.clone();
                blocking(move || folder::manifest(&path, expected.as_ref())).await
            }
            ModelSource::S3 { bucket, prefix } => self.remote(bucket, prefix).manifest().await,
        }
    }

    /// The bundle, as few bytes as possible from its source.
    async fn obtain(&self, graphs: &Graphs) -> Result<(VerifiedBundle, LoadedFrom), LoadError> {
        let expected = self.config.expected_digest;
        let ModelSource::S3 { bucket, prefix } = &self.config.source else {
            return self.obtain_described(self.manifest().await?, graphs).await;
        };
        if let Some(expected) = expected
            && let Some(bundle) = self.cached(expected, graphs).await?
        {
            return Ok((bundle, LoadedFrom::Cache));
        }
        // Without an entry nothing can be saved by asking for bundle.json first.
        if expected.is_some() || !self.cache.has_entries() {
            let bundle = self.remote(bucket, prefix).read(None, graphs).await?;
            return Ok((bundle, LoadedFrom::S3));
        }
        match self.manifest().await {
            Ok(manifest) => self.obtain_described(manifest, graphs).await,
            Err(error) => Ok((self.newest_cached(error, graphs).await?, LoadedFrom::Cache)),
        }
    }

    /// The bundle that this `bundle.json` of the source describes.
    async fn obtain_described(
        &self,
        manifest: VerifiedManifest,
        graphs: &Graphs,
    ) -> Result<(VerifiedBundle, LoadedFrom), LoadError> {
        match &self.config.source {
            ModelSource::Folder(path) => {
                // The library is still being opened: reading does not wait for its version.
                let likely = graphs.likely(manifest.manifest());
                let mut bundle = self.read_folder(path, manifest, likely).await?;
                let graph = graphs.choose(bundle.manifest()).await?;
                if graph != likely {
                    bundle = self.read_folder(path, bundle.into_manifest(), graph).await?;
                }
                Ok((bundle, LoadedFrom::Folder))
            }
            ModelSource::S3 { bucket, prefix } => {
                if let Some(bundle) = self.cached(manifest.digest(), graphs).await? {
                    return Ok((bundle, LoadedFrom::Cache));
                }
                let bundle = self.remote(bucket, prefix).read(Some(manifest), graphs).await?;
                Ok((bundle, LoadedFrom::S3))
            }
        }
    }

    async fn read_folder(
        &self,
        path: &Path,
        manifest: VerifiedManifest,
        graph: Graph,
    ) -> Result<VerifiedBundle, LoadError> {
        let (path, limit) = (path.to_owned(), self.config.max_model_bytes);
        blocking(move || folder::read_rest(&path, manifest, graph, limit)).await
    }

    fn remote<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> S3Bundle<'a> {
        S3Bundle {
            objects: &self.objects,
            bucket,
            prefix,
            expected_digest: self.config.expected_digest.as_ref(),
            max_model_bytes: self.config.max_model_bytes,
        }
    }

    async fn cached(
        &self,
        digest: Sha256Digest,
        graphs: &Graphs,
    ) -> Result<Option<VerifiedBundle>, LoadError> {
        let (cache, limit) = (self.cache.clone(), self.config.max_model_bytes);
        let manifest = blocking(move || Ok(cache.manifest(&digest))).await?;
        let Some(manifest) = manifest else { return Ok(None) };
        let graph = graphs.choose(manifest.manifest()).await?;
        let cache = self.cache.clone();
        blocking(move || Ok(cache.read(manifest, graph, limit))).await
    }

    /// While S3 cannot be reached, a device at the edge keeps using the newest bundle that it has.
    ///
    /// The bundle is verified, yet without an expected digest nothing says that it is still the
    /// published one, and in a shared temporary folder anyone could have put it there. So this is
    /// done only in a cache folder that was set on purpose, and only when S3 is out of reach, not
    /// when it says "no such bundle".
    async fn newest_cached(
        &self,
        error: LoadError,
        graphs: &Graphs,
    ) -> Result<VerifiedBundle, LoadError> {
        if self.config.cache_dir.is_none() || error.kind() != FailureKind::Unreachable {
            return Err(error);
        }
        let cache = self.cache.clone();
        for digest in blocking(move || Ok(cache.digests())).await? {
            if let Some(bundle) = self.cached(digest, graphs).await? {
                tracing::warn!(%error, bundle = %digest, "S3 is out of reach; serving from the cache");
                return Ok(bundle);
            }
        }
        Err(error)
    }

    /// Written beside the making of the session, so that the bytes need not wait for its end.
    fn draft(&self, bundle: VerifiedBundle) -> JoinHandle<io::Result<Draft>> {
        let cache = self.cache.clone();
        task::spawn_blocking(move || cache.draft(&bundle))
    }
}

/// With the configured provider, or with the CPU provider where that cannot be used.
fn with_provider(runtime: Runtime, provider: &ProviderConfig) -> Runtime {
    match runtime.clone().with_provider(provider) {
        Ok(provided) => provided,
        Err(error) => {
            let provider = &provider.name;
            tracing::error!(%error, provider, "the CPU provider runs the model instead");
            runtime
        }
    }
}

/// Whether a model that needs so many bytes fits beside the one that is served.
fn check_room(needed: u64) -> Result<(), LoadError> {
    let free = glimpse_budget::limit().saturating_sub(glimpse_budget::resident());
    if needed > free { Err(LoadError::NoRoom { needed, free }) } else { Ok(()) }
}

/// A model that fails on a grey picture would fail on every one.
fn warm_up(classifier: &Classifier) -> Result<(), LoadError> {
    let grey = vec![127; classifier.manifest().input.bytes()];
    let tried = classifier.classify_pixels(&grey, 1, &Options::default());
    tried.map(drop).map_err(|error| LoadError::Trial(Arc::new(error)))
}

/// Off the critical path: the classifier does not wait for it, and a failure is only logged.
fn commit(draft: JoinHandle<io::Result<Draft>>) {
    task::spawn(async move {
        let draft = draft.await.map_err(io::Error::other).flatten();
        let committed = task::spawn_blocking(move || draft?.commit()).await;
        if let Err(error) = committed.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, "the bundle cannot be cached; the next start downloads it");
        }
    });
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    task::spawn_blocking(work).await.map_err(LoadError::interrupted)?
}

/// Load the bundle in this process and run it once, as it would be served by `config`.
///
/// # Errors
/// When it cannot be served.
pub async fn try_here(config: StoreConfig, candidate: Candidate) -> Result<(), LoadError> {
    let loader = Loader::new(StoreConfig { trial: None, ..config }, Objects::from_env());
    loader.try_bundle(candidate.into_bundle()).await
}
