//! One load from beginning to end: everything that can overlap does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use glimpse_classifier::{Classifier, Options, Runtime};
use glimpse_telemetry::{emf, measure};
use tokio::sync::OnceCell;
use tokio::task::{self, JoinHandle};

use crate::cache::{Cache, Draft};
use crate::client;
use crate::config::{ModelSource, StoreConfig};
use crate::digest::Sha256Digest;
use crate::error::{FailureKind, LoadError};
use crate::origin::{folder, s3};
use crate::report::{LoadReport, Origin};
use crate::verify::VerifiedBundle;

/// What a load gives.
pub(crate) struct Loaded {
    pub(crate) classifier: Arc<Classifier>,
    /// Of `bundle.json`.
    pub(crate) digest: Sha256Digest,
    pub(crate) report: LoadReport,
}

/// Loaded, and not in service yet.
struct Ready {
    loaded: Loaded,
    upkeep: Upkeep,
}

/// What is left to do in the cache once a bundle serves.
enum Upkeep {
    /// It came from a folder.
    Nothing,
    /// It was downloaded.
    Keep(JoinHandle<io::Result<Draft>>),
    /// It was there; now it is the newest again.
    Renew(Cache),
}

/// Obtain the bundle, open ONNX Runtime beside that, create the session; keep a download.
pub(crate) async fn load(
    config: &StoreConfig,
    client: &OnceCell<Client>,
) -> Result<Loaded, LoadError> {
    Ok(prepare(config, client).await?.into_service())
}

async fn prepare(config: &StoreConfig, client: &OnceCell<Client>) -> Result<Ready, LoadError> {
    let started = Instant::now();
    let library = open_library(config);
    let ((runtime, open_library), (bundle, source, fetch)) =
        tokio::try_join!(async { library.await.map_err(|_| LoadError::Interrupted)? }, async {
            let (bundle, source) = obtain(config, client).await?;
            Ok((bundle, source, started.elapsed()))
        })?;
    let verify = bundle.hashing();
    let session_started = Instant::now();
    let (limits, digest) = (config.limits, bundle.digest());
    let upkeep = match source {
        Origin::Folder => Upkeep::Nothing,
        Origin::S3 => Upkeep::Keep(draft(config, bundle.clone())),
        Origin::Cache => Upkeep::Renew(cache(config)),
    };
    let classifier = blocking(move || {
        let (manifest, labels, model) = bundle.into_content();
        let created = Classifier::new(&runtime, manifest, labels, model, limits);
        Ok(created.map_err(Arc::new)?)
    })
    .await?;
    let (session, total) = (session_started.elapsed(), started.elapsed());
    let report = LoadReport { source, open_library, fetch, verify, session, total };
    let loaded = Loaded { classifier: Arc::new(classifier), digest, report };
    Ok(Ready { loaded, upkeep })
}

impl Ready {
    /// It serves from here on, and is what the next start finds first in the cache.
    fn into_service(self) -> Loaded {
        let Self { loaded, upkeep } = self;
        match upkeep {
            Upkeep::Nothing => {}
            Upkeep::Keep(draft) => keep(draft),
            Upkeep::Renew(cache) => {
                let digest = loaded.digest;
                task::spawn_blocking(move || cache.renew(&digest));
            }
        }
        loaded.report.log();
        measure::model_loaded(loaded.report.total);
        let manifest = loaded.classifier.manifest();
        emf::name_model(&manifest.name, &manifest.version);
        loaded
    }
}

/// The bundle that the source has now, loaded and tried, unless it is the `current` one.
pub(crate) async fn reload(
    config: &StoreConfig,
    client: &OnceCell<Client>,
    current: Sha256Digest,
) -> Result<Option<Loaded>, LoadError> {
    if config.pin == Some(current) {
        return Ok(None);
    }
    let digest = describe(config, client).await?;
    if digest == current {
        return Ok(None);
    }
    // Pinned to what was seen: no older bundle from the cache, and none that comes meanwhile.
    let ready = prepare(&StoreConfig { pin: Some(digest), ..config.clone() }, client).await?;
    let tried = ready.loaded.classifier.clone();
    blocking(move || warm_up(&tried)).await?;
    Ok(Some(ready.into_service()))
}

/// The checksum of the source's `bundle.json`.
async fn describe(
    config: &StoreConfig,
    client: &OnceCell<Client>,
) -> Result<Sha256Digest, LoadError> {
    let pin = config.pin;
    match &config.source {
        ModelSource::Folder(path) => {
            let path = path.clone();
            blocking(move || Ok(folder::describe(&path, pin.as_ref())?.digest())).await
        }
        ModelSource::S3 { bucket, prefix } => {
            let client = client.get_or_init(client::connect).await;
            let max_model_bytes = config.max_model_bytes;
            let remote = s3::Bundle { client, bucket, prefix, pin: pin.as_ref(), max_model_bytes };
            Ok(remote.describe().await?.digest())
        }
    }
}

/// A model that fails on a grey picture would fail on every one.
fn warm_up(classifier: &Classifier) -> Result<(), LoadError> {
    let grey = vec![127; classifier.manifest().input.bytes()];
    let tried = classifier.classify_pixels(&grey, 1, &Options::default());
    tried.map(drop).map_err(|error| LoadError::Trial(Arc::new(error)))
}

/// Starts at once, on a thread of its own.
fn open_library(config: &StoreConfig) -> JoinHandle<Result<(Runtime, Duration), LoadError>> {
    let (library, threads, arena) = (config.ort_library.clone(), config.threads, config.arena);
    task::spawn_blocking(move || {
        let started = Instant::now();
        let runtime = Runtime::open(&library).map_err(Arc::new)?.with_arena(arena);
        let runtime = match threads {
            Some(threads) => runtime.with_threads(threads),
            None => runtime,
        };
        Ok((runtime, started.elapsed()))
    })
}

async fn obtain(
    config: &StoreConfig,
    client: &OnceCell<Client>,
) -> Result<(VerifiedBundle, Origin), LoadError> {
    let (pin, max_model_bytes) = (config.pin, config.max_model_bytes);
    let (bucket, prefix) = match &config.source {
        ModelSource::Folder(path) => {
            let path = path.clone();
            let read = move || folder::read(&path, pin.as_ref(), max_model_bytes);
            return Ok((blocking(read).await?, Origin::Folder));
        }
        ModelSource::S3 { bucket, prefix } => (bucket, prefix),
    };
    let cache = cache(config);
    if let Some(pin) = pin
        && let Some(bundle) = cached(&cache, move |cache| cache.read(&pin, max_model_bytes)).await?
    {
        return Ok((bundle, Origin::Cache));
    }
    let client = client.get_or_init(client::connect).await;
    let remote = s3::Bundle { client, bucket, prefix, pin: pin.as_ref(), max_model_bytes };
    // Without an entry nothing can be saved by asking for the description first.
    if pin.is_some() || !cache.has_entries() {
        return Ok((remote.read().await?, Origin::S3));
    }
    match remote.describe().await {
        Ok(description) => {
            let digest = description.digest();
            match cached(&cache, move |cache| cache.read(&digest, max_model_bytes)).await? {
                Some(bundle) => Ok((bundle, Origin::Cache)),
                None => Ok((remote.read().await?, Origin::S3)),
            }
        }
        Err(error) => Ok((offline(config, &cache, error).await?, Origin::Cache)),
    }
}

/// While S3 cannot be reached, a device at the edge goes on with the newest bundle that it has.
///
/// The bundle is verified, yet without a pin nothing says that it is still the published one, and
/// in a shared temporary folder anyone could have put it there. So this is done only in a cache
/// folder that was set on purpose, and only when S3 is out of reach, not when it says "no such
/// bundle".
async fn offline(
    config: &StoreConfig,
    cache: &Cache,
    error: LoadError,
) -> Result<VerifiedBundle, LoadError> {
    if config.cache_dir.is_none() || error.kind() != FailureKind::Unreachable {
        return Err(error);
    }
    let max_model_bytes = config.max_model_bytes;
    let newest = cached(cache, move |cache| cache.read_newest(max_model_bytes)).await?;
    let bundle = newest.ok_or_else(|| error.clone())?;
    tracing::warn!(%error, bundle = %bundle.digest(), "S3 is out of reach; serving from the cache");
    Ok(bundle)
}

/// Written beside the making of the session, so that the bytes need not wait for its end.
fn draft(config: &StoreConfig, bundle: VerifiedBundle) -> JoinHandle<io::Result<Draft>> {
    let cache = cache(config);
    task::spawn_blocking(move || cache.draft(&bundle))
}

/// Off the critical path: the classifier does not wait for it, and a failure is only logged.
fn keep(draft: JoinHandle<io::Result<Draft>>) {
    task::spawn(async move {
        let draft = draft.await.map_err(io::Error::other).flatten();
        let kept = task::spawn_blocking(move || draft?.keep()).await;
        if let Err(error) = kept.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, "the bundle cannot be cached; the next start downloads it");
        }
    });
}

fn cache(config: &StoreConfig) -> Cache {
    let uri = match &config.source {
        ModelSource::Folder(path) => path.display().to_string(),
        ModelSource::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
    };
    match &config.cache_dir {
        Some(root) => Cache::new(root, &uri),
        None => Cache::new(&std::env::temp_dir().join("glimpse"), &uri),
    }
}

async fn cached(
    cache: &Cache,
    read: impl FnOnce(&Cache) -> Option<VerifiedBundle> + Send + 'static,
) -> Result<Option<VerifiedBundle>, LoadError> {
    let cache = cache.clone();
    blocking(move || Ok(read(&cache))).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    task::spawn_blocking(work).await.map_err(|_| LoadError::Interrupted)?
}
