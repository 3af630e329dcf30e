//! The one load that everybody waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use glimpse_classifier::Classifier;
use glimpse_objects::Objects;
use glimpse_telemetry::measure;
use tokio::task::JoinError;

use crate::config::StoreConfig;
use crate::error::{FailureKind, LoadError};
use crate::load::{Loaded, Loader};
use crate::report::LoadReport;

/// A load under way; every clone gives the same result.
#[derive(Clone)]
struct RunningLoad {
    result: Shared<BoxFuture<'static, Result<Arc<Classifier>, LoadError>>>,
    begun_by: Begun,
}

/// Who began a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// [`ModelStore::warm`], before anybody needed the model.
    Ahead,
    /// A caller who waits for it.
    OnDemand,
}

/// Gives the classifier, loading it once. Cloning shares it.
#[derive(Clone)]
pub struct ModelStore(Arc<State>);

struct State {
    loader: Loader,
    loaded: ArcSwapOption<Loaded>,
    running: Mutex<Option<RunningLoad>>,
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
    pub fn new(config: StoreConfig, objects: Objects) -> Self {
        Self(Arc::new(State {
            loader: Loader::new(config, objects),
            loaded: ArcSwapOption::empty(),
            running: Mutex::new(None),
            refreshing: tokio::sync::Mutex::new(()),
        }))
    }

    /// The classifier. The first caller starts the load, the others wait for the same one; it goes
    /// on when its callers go away. A failure is not kept: the next call tries again.
    ///
    /// Lambda may freeze the process during a load that [`ModelStore::warm`] began. After the thaw its
    /// connections are broken and its deadline has passed, which should not fail the request. So a
    /// load that was begun ahead and did not reach its source is tried once more, in what is left of
    /// the deadline since this call: the platform's own must not come first.
    ///
    /// # Errors
    /// When the bundle cannot be fetched, verified or loaded.
    pub async fn get(&self) -> Result<Arc<Classifier>, LoadError> {
        if let Some(classifier) = self.ready() {
            return Ok(classifier);
        }
        let (called, limit) = (Instant::now(), self.0.loader.deadline());
        let RunningLoad { result, begun_by } = self.load(Begun::OnDemand);
        match result.await {
            Err(error) if begun_by == Begun::Ahead && may_come_of_a_freeze(&error) => {
                tracing::info!("the load began before this request; beginning again");
                let again = self.load(Begun::OnDemand).result;
                let left = limit.saturating_sub(called.elapsed());
                let done = tokio::time::timeout(left, again).await;
                done.unwrap_or(Err(LoadError::Deadline { limit }))
            }
            done => done,
        }
    }

    /// Start the load and return. Needs a tokio runtime. A failure is logged and not kept.
    pub fn warm(&self) {
        if self.ready().is_none() {
            drop(self.load(Begun::Ahead));
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
    /// is loaded yet, this is a first load. A bundle with an expected digest never changes.
    ///
    /// # Errors
    /// When the source cannot be read or its bundle cannot be served. The old one keeps serving.
    pub async fn refresh(&self) -> Result<Refreshed, LoadError> {
        let state = &self.0;
        let _one_at_a_time = state.refreshing.lock().await;
        let Some(current) = state.loaded.load().as_ref().map(|loaded| loaded.digest) else {
            return self.get().await.map(|_| Refreshed::Swapped);
        };
        let limit = state.loader.deadline();
        let fresh = tokio::time::timeout(limit, state.loader.reload(current)).await;
        let fresh = fresh.unwrap_or(Err(LoadError::Deadline { limit }));
        let Some(loaded) = fresh.inspect_err(|_| measure::model_load_failed())? else {
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

    /// The load under way, started if there is none.
    fn load(&self, begun_by: Begun) -> RunningLoad {
        let mut running = self.0.running();
        if let Some(load) = &*running {
            return load.clone();
        }
        if let Some(classifier) = self.ready() {
            let result = futures::future::ready(Ok(classifier)).boxed().shared();
            return RunningLoad { result, begun_by };
        }
        // A task of its own, so that a caller who gives up does not cancel it for the others.
        let task = tokio::spawn(run(self.0.clone()));
        let interrupted = |error: JoinError| {
            tracing::error!(%error, "the load of the model was interrupted");
            Err(LoadError::interrupted(error))
        };
        let result = task.map(move |done| done.unwrap_or_else(interrupted)).boxed().shared();
        running.insert(RunningLoad { result, begun_by }).clone()
    }
}

/// Whether a freeze of the process can cause this error.
fn may_come_of_a_freeze(error: &LoadError) -> bool {
    matches!(error.kind(), FailureKind::Unreachable | FailureKind::Deadline)
}

impl State {
    fn running(&self) -> MutexGuard<'_, Option<RunningLoad>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the running load however it ends, by a panic or a shutdown as well.
struct EndsLoad(Arc<State>);

impl Drop for EndsLoad {
    fn drop(&mut self) {
        *self.0.running() = None;
    }
}

async fn run(state: Arc<State>) -> Result<Arc<Classifier>, LoadError> {
    let ends_load = EndsLoad(state);
    let state = &ends_load.0;
    let limit = state.loader.deadline();
    let loaded = tokio::time::timeout(limit, state.loader.load())
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
