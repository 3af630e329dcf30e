//! The one load that everybody waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use aws_sdk_s3::Client;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use glimpse_classifier::Classifier;
use glimpse_telemetry::measure;
use tokio::sync::OnceCell;

use crate::client;
use crate::config::StoreConfig;
use crate::error::LoadError;
use crate::load::{Loaded, load, reload};
use crate::report::LoadReport;

/// A load under way; every clone gives the same result.
type Flight = Shared<BoxFuture<'static, Result<Arc<Classifier>, LoadError>>>;

/// Gives the classifier, loading it once. Cloning shares it.
#[derive(Clone)]
pub struct ModelStore(Arc<State>);

struct State {
    config: StoreConfig,
    client: OnceCell<Client>,
    loaded: ArcSwapOption<Loaded>,
    flight: Mutex<Option<Flight>>,
    refreshing: tokio::sync::Mutex<()>,
}

/// What [`ModelStore::refresh`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The source still has the bundle that is served.
    Unchanged,
    /// The source had another bundle, which is served from now on.
    Swapped,
}

impl ModelStore {
    /// A store that has loaded nothing. Does no work.
    #[must_use]
    pub fn new(config: StoreConfig) -> Self {
        Self::build(config, OnceCell::new())
    }

    /// The same with an S3 client that exists already, instead of one from the environment.
    #[must_use]
    pub fn with_client(config: StoreConfig, client: Client) -> Self {
        Self::build(config, OnceCell::new_with(Some(client)))
    }

    fn build(config: StoreConfig, client: OnceCell<Client>) -> Self {
        Self(Arc::new(State {
            config,
            client,
            loaded: ArcSwapOption::empty(),
            flight: Mutex::new(None),
            refreshing: tokio::sync::Mutex::new(()),
        }))
    }

    /// The classifier. The first caller starts the load, the others wait for the same one; it goes
    /// on when its callers go away. A failure is not kept: the next call tries again.
    ///
    /// # Errors
    /// When the bundle cannot be fetched, verified or loaded.
    pub async fn get(&self) -> Result<Arc<Classifier>, LoadError> {
        match self.ready() {
            Some(classifier) => Ok(classifier),
            None => self.flight().await,
        }
    }

    /// Start the load and return. Needs a tokio runtime. A failure is logged and not kept.
    pub fn warm(&self) {
        if self.ready().is_none() {
            drop(self.flight());
        }
    }

    /// The classifier, if it is loaded; without waiting or locking.
    #[must_use]
    pub fn ready(&self) -> Option<Arc<Classifier>> {
        self.0.loaded.load().as_ref().map(|loaded| loaded.classifier.clone())
    }

    /// Look whether the source has another bundle by now, and serve that one if it can be.
    ///
    /// It is loaded and tried beside the one that is served, and takes its place at once: calls that
    /// have begun end with the old one, the next [`ModelStore::get`] gives the new one. Where nothing
    /// is loaded yet, this is a first load. A pinned bundle never changes.
    ///
    /// # Errors
    /// When the source cannot be read or its bundle cannot be served. The old one goes on serving.
    pub async fn refresh(&self) -> Result<Refreshed, LoadError> {
        let state = &self.0;
        let _one_at_a_time = state.refreshing.lock().await;
        let Some(current) = state.loaded.load().as_ref().map(|loaded| loaded.digest) else {
            return self.get().await.map(|_| Refreshed::Swapped);
        };
        let limit = state.config.load_deadline;
        let fresh = reload(&state.config, &state.client, current);
        let fresh = tokio::time::timeout(limit, fresh).await;
        let Some(loaded) = fresh.unwrap_or(Err(LoadError::Deadline { limit }))? else {
            return Ok(Refreshed::Unchanged);
        };
        state.loaded.store(Some(Arc::new(loaded)));
        Ok(Refreshed::Swapped)
    }

    /// Where the time of the load went, once it is done.
    #[must_use]
    pub fn last_load(&self) -> Option<LoadReport> {
        self.0.loaded.load().as_ref().map(|loaded| loaded.report)
    }

    /// The S3 client, made at the first use.
    pub async fn s3(&self) -> &Client {
        self.0.client.get_or_init(client::connect).await
    }

    /// The load under way, started if there is none.
    fn flight(&self) -> Flight {
        let mut flight = self.0.flight();
        if let Some(flight) = &*flight {
            return flight.clone();
        }
        if let Some(classifier) = self.ready() {
            return futures::future::ready(Ok(classifier)).boxed().shared();
        }
        // A task of its own, so that a caller who gives up does not cancel it for the others.
        let task = tokio::spawn(run(self.0.clone()));
        let started = task.map(|done| done.unwrap_or(Err(LoadError::Interrupted))).boxed().shared();
        flight.insert(started).clone()
    }
}

impl State {
    fn flight(&self) -> MutexGuard<'_, Option<Flight>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the flight however the load ends, by a panic or a shutdown as well.
struct Landing(Arc<State>);

impl Drop for Landing {
    fn drop(&mut self) {
        *self.0.flight() = None;
    }
}

async fn run(state: Arc<State>) -> Result<Arc<Classifier>, LoadError> {
    let landing = Landing(state);
    let state = &landing.0;
    let limit = state.config.load_deadline;
    let loaded = tokio::time::timeout(limit, load(&state.config, &state.client))
        .await
        .unwrap_or(Err(LoadError::Deadline { limit }))
        .inspect_err(|error| {
            measure::model_load_failed();
            tracing::error!(%error, "the model cannot be loaded");
        })?;
    let classifier = loaded.classifier.clone();
    state.loaded.store(Some(Arc::new(loaded)));
    Ok(classifier)
}
