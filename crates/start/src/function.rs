//! The start of a Lambda function.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use glimpse_budget::max_concurrency;
use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_objects::Objects;
use glimpse_settings::{Environment, SettingError};
use glimpse_telemetry::emf::{self, EmfError};
use glimpse_telemetry::logs;
use tokio::runtime::{Builder, Runtime};

use crate::lambda::{self, NotOnLambda};
use crate::{heap, process};

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Metrics(#[from] EmfError),
    #[error(transparent)]
    NotOnLambda(#[from] NotOnLambda),
}

/// What a function is made of.
pub struct Parts {
    /// Its model, which is being loaded: the first request waits for what is left of that.
    pub store: ModelStore,
    /// Its access to S3.
    pub objects: Objects,
    /// How many requests come at the same time: more than one on managed instances.
    pub concurrency: u32,
}

/// What the environment asks for.
struct Started<C> {
    store: StoreConfig,
    config: C,
    concurrency: u32,
}

/// Start a Lambda function and `serve` until the platform ends it; call it first thing in `main`.
///
/// `read` gets the function's own settings, and may hold them against those of the model's store.
pub fn function<C, E: Display>(
    read: impl FnOnce(&Environment, &StoreConfig) -> Result<C, SettingError>,
    serve: impl AsyncFnOnce(Parts, C) -> Result<(), E>,
) -> ExitCode {
    let Started { store, config, concurrency } = match start(read) {
        Ok(started) => started,
        Err(error) => return refuse(&error),
    };
    let runtime = match runtime(concurrency) {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let served = runtime.block_on(async {
        let objects = Objects::from_env();
        let store = ModelStore::new(store, objects.clone());
        store.warm();
        serve(Parts { store, objects, concurrency }, config).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn start<C>(
    read: impl FnOnce(&Environment, &StoreConfig) -> Result<C, SettingError>,
) -> Result<Started<C>, StartError> {
    process::prepare();
    let concurrency = max_concurrency(&Environment);
    // Threads of several requests would wait for one another's allocations.
    let one_heap = matches!(concurrency, Ok(1)) && process::share_one_heap();
    logs::start(&Environment)?;
    let concurrency = concurrency?;
    emf::start(&Environment, concurrency > 1)?;
    let mut store = StoreConfig::read(&Environment)?;
    store.arena = !one_heap;
    if one_heap {
        store.on_described = heap::make_ready;
        store.on_loaded = process::return_large_blocks;
    }
    // A snapshot holds a model that has run, and no second copy of it.
    let snapshot = lambda::takes_snapshot(&Environment)?;
    (store.try_first, store.keep) = (snapshot, !snapshot);
    let config = read(&Environment, &store)?;
    // A mistake in the settings is named first, whoever starts the program.
    lambda::check(&Environment)?;
    Ok(Started { store, config, concurrency })
}

/// Pictures are worked on by threads that may block. What is left for the runtime's own is waiting: a
/// second one would only pass the one request back and forth.
fn runtime(concurrency: u32) -> io::Result<Runtime> {
    let mut runtime = match concurrency {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()
}

fn refuse(error: &impl Display) -> ExitCode {
    tracing::error!(%error, "the function cannot start");
    ExitCode::FAILURE
}
