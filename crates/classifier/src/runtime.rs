//! The opened ONNX Runtime library and its environment.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ort::environment::Environment;
use ort::logging::LogLevel;
use parking_lot::Mutex;

use crate::error::{OpenError, ProviderError};
use crate::provider::{Provider, ProviderConfig};
use crate::version;

/// ONNX Runtime allows one environment per process, so the first one opened serves every caller.
static OPENED: Mutex<Option<Runtime>> = Mutex::new(None);

/// ONNX Runtime, opened once per process; cloning shares it.
///
/// The environment, and with it a logger, exists before any session: without one, ONNX Runtime
/// aborts where `/sys/devices/system/cpu` is hidden, as on Lambda (onnxruntime issue 10038).
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    version: Arc<str>,
    threads: usize,
    arena: bool,
    load_limit: Option<Duration>,
    provider: Option<Arc<Provider>>,
}

impl Runtime {
    /// Open the shared library at `library`. After a first success, gives that one again.
    ///
    /// # Errors
    /// When the library is absent, for another processor, or older than this crate needs.
    pub fn open(library: &Path) -> Result<Self, OpenError> {
        let mut opened = OPENED.lock();
        if let Some(runtime) = &*opened {
            return Ok(runtime.clone());
        }
        // Loaders look a relative name up elsewhere; a file that exists is one file.
        let absent = |_| OpenError::Absent { path: library.to_owned() };
        let file = library.canonicalize().map_err(absent)?;
        let builder = ort::init_from(&file)
            .map_err(|source| OpenError::Library { path: library.to_owned(), source })?;
        let environment = builder.with_name("glimpse").build().map_err(OpenError::Environment)?;
        environment.set_log_level(LogLevel::Error);
        let version = version::of(&file).unwrap_or_default().into();
        let runtime = Self {
            environment,
            version,
            threads: processors(),
            arena: true,
            load_limit: None,
            provider: None,
        };
        Ok(opened.insert(runtime).clone())
    }

    /// The version of ONNX Runtime, such as `1.32.0`; empty where the library does not say it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Let sessions made from here use this many threads, or all processors where there are fewer.
    #[must_use]
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads: threads.get().min(processors()), ..self }
    }

    /// Whether sessions made from here keep an arena of their own for weights and activations (the
    /// default), or take them from the process's allocator.
    #[must_use]
    pub fn with_arena(self, arena: bool) -> Self {
        Self { arena, ..self }
    }

    /// Let loads of sessions be cancelled after this time; by default they take as long as they take.
    #[must_use]
    pub fn with_load_limit(self, limit: Duration) -> Self {
        Self { load_limit: Some(limit), ..self }
    }

    /// Let a provider run what is loaded from here, where it can.
    ///
    /// Its library is loaded into this process, which runs code of it, and stays until the end.
    ///
    /// # Errors
    /// When the library is absent or is not a provider, or it has no such device.
    pub fn with_provider(self, config: &ProviderConfig) -> Result<Self, ProviderError> {
        let provider = Provider::register(&self.environment, config)?;
        Ok(Self { provider: Some(Arc::new(provider)), ..self })
    }

    pub(crate) fn provider(&self) -> Option<&Provider> {
        self.provider.as_deref()
    }

    pub(crate) fn load_limit(&self) -> Option<Duration> {
        self.load_limit
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn has_arena(&self) -> bool {
        self.arena
    }
}

/// Counted here because ONNX Runtime's own count fails where Lambda hides the processors' files.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
