//! The model at the edge: where it is by default, patience while S3 is away, and following changes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use glimpse_model_store::{FailureKind, LoadError, ModelStore, Refreshed, StoreConfig};

use crate::error::Error;

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
        env = "GLIMPSE_MODEL_URI",
        hide_env_values = true,
        value_name = "URI"
    )]
    model_uri: Option<String>,
    /// SHA-256 of bundle.json, which pins every file
    #[arg(long, env = "GLIMPSE_MODEL_SHA256", hide_env_values = true, value_name = "HEX")]
    model_sha256: Option<String>,
    /// Where bundles from S3 are kept, also for times without a network [default: ~/.cache/glimpse]
    #[arg(long, env = "GLIMPSE_CACHE_DIR", hide_env_values = true, value_name = "DIR")]
    cache_dir: Option<String>,
    /// The ONNX Runtime library; by default the one that came with this program
    #[arg(long, env = "GLIMPSE_ORT_LIBRARY", hide_env_values = true, value_name = "FILE")]
    ort_library: Option<String>,
    /// Threads of one run [default: all processors]
    #[arg(long, env = "GLIMPSE_THREADS", hide_env_values = true, value_name = "N")]
    threads: Option<String>,
    /// Largest picture in pixels, told by its header [default: 50000000]
    #[arg(long, env = "GLIMPSE_MAX_IMAGE_PIXELS", hide_env_values = true, value_name = "N")]
    max_image_pixels: Option<String>,
    /// Deadline of a whole load [default: 20000]
    #[arg(long, env = "GLIMPSE_LOAD_TIMEOUT_MS", hide_env_values = true, value_name = "MS")]
    load_timeout_ms: Option<String>,
    /// Largest model in bytes [default: 536870912]
    #[arg(long, env = "GLIMPSE_MAX_MODEL_BYTES", hide_env_values = true, value_name = "N")]
    max_model_bytes: Option<String>,
}

impl ModelArguments {
    /// A store that has loaded nothing yet.
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn store(&self) -> Result<ModelStore, Error> {
        let mut config = StoreConfig::from_lookup(|variable| self.lookup(variable))?;
        // A folder of the user's own, so it may serve while S3 is out of reach.
        config.cache_dir = config.cache_dir.or_else(user_cache);
        Ok(ModelStore::new(config))
    }

    fn lookup(&self, variable: &str) -> Option<String> {
        let given = match variable {
            "GLIMPSE_MODEL_URI" => &self.model_uri,
            "GLIMPSE_MODEL_SHA256" => &self.model_sha256,
            "GLIMPSE_CACHE_DIR" => &self.cache_dir,
            "GLIMPSE_ORT_LIBRARY" => &self.ort_library,
            "GLIMPSE_THREADS" => &self.threads,
            "GLIMPSE_MAX_IMAGE_PIXELS" => &self.max_image_pixels,
            "GLIMPSE_LOAD_TIMEOUT_MS" => &self.load_timeout_ms,
            "GLIMPSE_MAX_MODEL_BYTES" => &self.max_model_bytes,
            _ => return None,
        };
        given.clone().filter(|value| !value.is_empty()).or_else(|| match variable {
            "GLIMPSE_MODEL_URI" => packaged(PACKAGED_MODEL),
            "GLIMPSE_ORT_LIBRARY" => packaged(PACKAGED_LIBRARY),
            _ => None,
        })
    }
}

/// What lies beside the program, in the folder that holds `bin/`.
fn packaged(path: &str) -> Option<String> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let path = program.parent()?.parent()?.join(path);
    path.exists().then(|| path.to_string_lossy().into_owned())
}

/// `$XDG_CACHE_HOME/glimpse` or `~/.cache/glimpse`.
fn user_cache() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join("glimpse"))
}

/// Load the model; while its source is out of reach, try again and again.
///
/// # Errors
/// When trying again would not help.
pub async fn load(store: &ModelStore) -> Result<(), LoadError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match store.get().await {
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

/// Look for another bundle `every` so often, for ever; `swapped` is told after each change.
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
                tracing::warn!(%error, "the source has no bundle that can be served; the old one is");
            }
        }
    }
}
