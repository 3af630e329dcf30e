//! The model at the edge: its default place, retries while S3 is out of reach, and following changes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use clap::Args;
use glimpse_budget::settings::MEMORY_BUDGET;
use glimpse_classifier::{Classifier, DeviceKind, FormatSet, Limits, ProviderConfig};
use glimpse_model_store::{
    FailureKind, LoadError, ModelSource, ModelStore, Refreshed, Sha256Digest, StoreConfig, settings,
};
use glimpse_objects::Objects;
use glimpse_settings::{Environment, Strings as _};

use crate::confine::Confined;
use crate::error::Error;
use crate::flags;
use crate::trial::OwnProgram;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A source that fails is looked at less often: up to this many times the usual wait.
const MAX_SLOWDOWN: u32 = 32;
/// Beside the binary, as a package has them: `bin/glimpse`, `lib/…`, `model/`.
const PACKAGED_LIBRARY: &str = "lib/libonnxruntime.so";
const PACKAGED_MODEL: &str = "model";

/// Where the model comes from, and its limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArguments {
    #[arg(
        long,
        help = "s3://bucket/prefix or a folder; by default the one that came with this program",
        visible_alias = "model",
        env = settings::MODEL_URI,
        hide_env_values = true,
        value_name = "URI",
        value_parser = flags::model_source
    )]
    model_uri: Option<ModelSource>,
    /// SHA-256 of bundle.json, which pins every file
    #[arg(long, env = settings::MODEL_SHA256, hide_env_values = true, value_name = "HEX")]
    model_sha256: Option<Sha256Digest>,
    /// Where bundles from S3 are kept, also for times without a network; by default ~/.cache/glimpse
    #[arg(long, env = settings::CACHE_DIR, hide_env_values = true, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// The ONNX Runtime library; by default the one that came with this program
    #[arg(long, env = settings::ORT_LIBRARY, hide_env_values = true, value_name = "FILE")]
    ort_library: Option<PathBuf>,
    /// Threads of one run; by default one per processor
    #[arg(long, env = settings::THREADS.variable, hide_env_values = true, value_name = "N")]
    #[arg(value_parser = flags::number(&settings::THREADS))]
    threads: Option<usize>,
    /// Execution provider that runs the model where it can: a name, and its library in ONNX Runtime's
    /// plugin form, whose code then runs in this process; by default the CPU provider
    #[arg(long, env = settings::PROVIDER, hide_env_values = true, value_name = "NAME=PATH")]
    #[arg(value_parser = flags::provider)]
    provider: Option<ProviderConfig>,
    /// Kind of the provider's device: CPU, GPU or NPU; by default its first one
    #[arg(long, env = settings::PROVIDER_DEVICE, hide_env_values = true, value_name = "KIND")]
    #[arg(requires = "provider", value_parser = flags::device)]
    provider_device: Option<DeviceKind>,
    /// Option of the provider; may be given several times, in the variable separated by semicolons
    #[arg(long = "provider-option", env = settings::PROVIDER_OPTIONS, hide_env_values = true)]
    #[arg(value_name = "KEY=VALUE", value_delimiter = ';', action = clap::ArgAction::Append)]
    #[arg(requires = "provider", value_parser = flags::option)]
    provider_options: Vec<(String, String)>,
    /// Largest picture in pixels, read from its header
    #[arg(long, env = settings::MAX_IMAGE_PIXELS.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_IMAGE_PIXELS.default)]
    #[arg(value_parser = flags::number(&settings::MAX_IMAGE_PIXELS))]
    max_image_pixels: u64,
    /// Bytes of memory for pictures and request bodies; by default what the model leaves of the
    /// process's limit
    #[arg(long, env = MEMORY_BUDGET.variable, hide_env_values = true, value_name = "N")]
    #[arg(value_parser = flags::number(&MEMORY_BUDGET))]
    memory_budget: Option<u64>,
    /// Image formats that are accepted, comma-separated; by default all: jpeg,png,webp,gif,bmp,tiff,heic,avif
    #[arg(long, env = settings::FORMATS, hide_env_values = true, value_name = "NAMES")]
    formats: Option<FormatSet>,
    /// Deadline of a whole load
    #[arg(long, env = settings::LOAD_TIMEOUT_MS.variable, hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = settings::LOAD_TIMEOUT_MS.default)]
    #[arg(value_parser = flags::number(&settings::LOAD_TIMEOUT_MS))]
    load_timeout_ms: u64,
    /// Largest model in bytes
    #[arg(long, env = settings::MAX_MODEL_BYTES.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_MODEL_BYTES.default)]
    #[arg(value_parser = flags::number(&settings::MAX_MODEL_BYTES))]
    max_model_bytes: u64,
}

impl ModelArguments {
    /// Bytes for pictures and bodies, where it is set.
    pub fn memory_budget(&self) -> Option<u64> {
        self.memory_budget
    }

    /// A store that has loaded nothing yet.
    ///
    /// # Errors
    /// When no model is named and none came with the program.
    pub fn store(&self, objects: Objects) -> Result<ModelStore, Error> {
        self.store_on(objects, Limits::default().slowness)
    }

    /// The same where others wait for a machine that is so many times slower than costs are estimated for.
    ///
    /// # Errors
    /// As [`ModelArguments::store`].
    pub fn store_on(&self, objects: Objects, slowness: u32) -> Result<ModelStore, Error> {
        let mut config = self.config()?;
        config.limits.slowness = slowness;
        config.trial = Some(Arc::new(OwnProgram::new(config.load_deadline)));
        Ok(ModelStore::new(config, objects))
    }

    /// The settings of the store.
    ///
    /// # Errors
    /// As [`ModelArguments::store`].
    pub fn config(&self) -> Result<StoreConfig, Error> {
        let named = self.model_uri.clone();
        let source = named.or_else(|| packaged(PACKAGED_MODEL).map(ModelSource::Folder));
        let mut config = StoreConfig::new(source.ok_or_else(ModelSource::unset)?);
        config.expected_digest = self.model_sha256;
        // A folder of the user's own, so it may serve while S3 is out of reach.
        config.cache_dir = self.cache_dir.clone().or_else(user_cache);
        if let Some(library) = self.ort_library.clone().or_else(|| packaged(PACKAGED_LIBRARY)) {
            config.ort_library = library;
        }
        config.threads = self.threads.and_then(NonZeroUsize::new);
        config.provider = self.provider.clone().map(|provider| ProviderConfig {
            device: self.provider_device,
            options: self.provider_options.clone(),
            ..provider
        });
        config.limits.limit_pixels(self.max_image_pixels);
        config.limits.formats = self.formats.unwrap_or(FormatSet::ALL);
        config.load_deadline = Duration::from_millis(self.load_timeout_ms);
        config.max_model_bytes = self.max_model_bytes;
        config.try_first = true;
        Ok(config)
    }
}

/// A file or folder of the program's package, beside the folder `bin/`.
fn packaged(path: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let path = program.parent()?.parent()?.join(path);
    path.exists().then_some(path)
}

/// `$XDG_CACHE_HOME/glimpse` or `~/.cache/glimpse`.
fn user_cache() -> Option<PathBuf> {
    let cache = Environment.path("XDG_CACHE_HOME");
    let cache = cache.or_else(|| Some(Environment.path("HOME")?.join(".cache")))?;
    Some(cache.join("glimpse"))
}

/// The first model. Nobody is served yet, so it is tried in this process: one that asks for more memory
/// than there is fails for it, and one that takes too long ends with the process.
///
/// # Errors
/// When it cannot be fetched, verified, loaded or run.
pub async fn first(store: &ModelStore) -> Result<Arc<Classifier>, LoadError> {
    let _confined = Confined::to(glimpse_budget::limit());
    store.get().await
}

/// Load the first model; while its source is out of reach, try again and again.
///
/// # Errors
/// When trying again would not help.
pub async fn load(store: &ModelStore) -> Result<(), LoadError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match first(store).await {
            Ok(_) => return Ok(()),
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, again_in = ?pause, "the model is out of reach");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

fn may_pass(error: &LoadError) -> bool {
    matches!(error.kind(), FailureKind::Unreachable | FailureKind::Deadline)
}

/// End runs of the model that take longer than `limit`, for ever: the requests that wait for them have
/// given up, and others wait behind them. Models that were replaced are looked after until they are gone.
pub async fn supervise(store: ModelStore, limit: Duration) {
    const EVERY: Duration = Duration::from_millis(500);
    let mut models: Vec<Weak<Classifier>> = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        if let Some(model) = store.ready() {
            let model = Arc::downgrade(&model);
            if !models.iter().any(|known| known.ptr_eq(&model)) {
                models.push(model);
            }
        }
        models.retain(|model| model.strong_count() > 0);
        for model in models.iter().filter_map(Weak::upgrade) {
            if model.end_run_after(limit) {
                tracing::error!(?limit, "a run of the model took too long and was ended");
            }
        }
    }
}

/// Look for another bundle at each interval of `every`, for ever; `swapped` is called after each
/// change.
pub async fn follow(store: ModelStore, every: Duration, swapped: impl Fn(&ModelStore)) {
    let mut failures = 0;
    loop {
        tokio::time::sleep(every * 2_u32.pow(failures).min(MAX_SLOWDOWN)).await;
        match store.refresh().await {
            Ok(Refreshed::Unchanged) => failures = 0,
            Ok(Refreshed::Swapped) => {
                failures = 0;
                if let Some(model) = store.ready() {
                    let manifest = model.manifest();
                    tracing::info!(
                        name = manifest.name,
                        version = manifest.version,
                        "model changed"
                    );
                }
                swapped(&store);
            }
            Err(error) => {
                failures = (failures + 1).min(MAX_SLOWDOWN.ilog2());
                tracing::warn!(%error, "the new bundle cannot be served; still serving the current one");
            }
        }
    }
}
