//! The start of a Lambda function.

use std::fmt::Display;
use std::process::ExitCode;

use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_objects::Objects;
use glimpse_settings::{Environment, SettingError};
use glimpse_telemetry::emf::{self, EmfError};
use glimpse_telemetry::logs;

use crate::lambda::{self, NotOnLambda};
use crate::process;

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

/// Start a Lambda function and `serve` until the platform ends it; call it first thing in `main`.
///
/// `read` gets the function's own settings, and may hold them against those of the model's store.
/// The model is being loaded when `serve` is called: the first request waits for what is left of it.
pub async fn function<C, E: Display>(
    read: impl FnOnce(&Environment, &StoreConfig) -> Result<C, SettingError>,
    serve: impl AsyncFnOnce(ModelStore, Objects, C) -> Result<(), E>,
) -> ExitCode {
    let (store, config) = match start(read) {
        Ok(started) => started,
        Err(error) => return refuse(&error),
    };
    let objects = Objects::from_env();
    let store = ModelStore::new(store, objects.clone());
    store.warm();
    match serve(store, objects, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn start<C>(
    read: impl FnOnce(&Environment, &StoreConfig) -> Result<C, SettingError>,
) -> Result<(StoreConfig, C), StartError> {
    process::prepare();
    // One request at a time: no threads that would wait for one another's allocations.
    let one_heap = process::share_one_heap();
    logs::start(&Environment)?;
    emf::start(&Environment)?;
    let mut store = StoreConfig::read(&Environment)?;
    store.arena = !one_heap;
    if one_heap {
        store.on_loaded = process::return_large_blocks;
    }
    // A snapshot holds a model that has run, and no second copy of it.
    let snapshot = lambda::takes_snapshot(&Environment)?;
    (store.try_first, store.keep) = (snapshot, !snapshot);
    let config = read(&Environment, &store)?;
    // A mistake in the settings is named first, whoever starts the program.
    lambda::check(&Environment)?;
    Ok((store, config))
}

fn refuse(error: &impl Display) -> ExitCode {
    tracing::error!(%error, "the function cannot start");
    ExitCode::FAILURE
}
