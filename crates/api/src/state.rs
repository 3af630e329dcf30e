//! What every handler shares.

use std::sync::{Arc, Once};

use glimpse_budget::{Admission, Pool, Runs, Share};
use glimpse_classifier::Classifier;
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;

use crate::config::ApiConfig;
use crate::inference::{Job, RunSize, Statistics};

/// The model store, S3, the configuration and the budgets of memory and cores; cloning shares them.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: ModelStore,
    pub(crate) objects: Objects,
    pub(crate) config: Arc<ApiConfig>,
    /// One picture a core is decoded or inferred at a time, as far as memory goes.
    pub(crate) admission: Admission,
    /// Bytes of bodies that are in memory.
    pub(crate) bodies: Pool,
    /// Whether the budgets were made when the model was in memory.
    settled: Arc<Once>,
    /// Whether the thread that serves a request also classifies its pictures.
    pub(crate) inline: bool,
    /// Where pictures of all requests wait for their run.
    pub(crate) runs: Runs<Job>,
    /// Most pictures in a run; by default what pays on this machine.
    run_most: Option<usize>,
    pub(crate) statistics: Statistics,
}

impl ApiState {
    /// Build the state; does no work.
    #[must_use]
    pub fn new(store: ModelStore, objects: Objects, config: ApiConfig) -> Self {
        let share = Share::now(config.memory_budget);
        let admission = Admission::new(share.pictures);
        Self {
            store,
            objects,
            config: Arc::new(config),
            runs: Runs::new(admission.clone()),
            admission,
            bodies: Pool::new(share.bodies),
            settled: Arc::new(Once::new()),
            inline: false,
            run_most: None,
            statistics: Statistics::default(),
        }
    }

    /// For a process that gets one request at a time, as on Lambda: the thread that serves it has
    /// nothing else to do, so the picture is not handed to another one and back.
    #[must_use]
    pub fn one_request_at_a_time(self) -> Self {
        Self { inline: true, ..self }
    }

    /// Let no more than so many pictures share a run of the model.
    #[must_use]
    pub fn with_largest_run(self, pictures: usize) -> Self {
        Self { run_most: Some(pictures), ..self }
    }

    /// Fit the budgets to what the loaded model leaves of the memory.
    pub(crate) fn settle(&self, model: &Classifier) {
        self.settled.call_once(|| self.fit(Share::now(self.config.memory_budget), model));
    }

    /// Fit the budgets to a model that has taken the place of another.
    pub fn refit(&self) {
        let Some(model) = self.store.ready() else { return };
        let taken = self.admission.taken_bytes() + self.bodies.taken();
        self.fit(Share::beside(self.config.memory_budget, taken), &model);
    }

    /// What runs take beyond one picture is set aside, because ONNX Runtime does not give it back.
    fn fit(&self, share: Share, model: &Classifier) {
        let run = RunSize::fitting(self.run_most, share.pictures, model.run_bytes());
        let pictures = share.pictures - run.bytes;
        tracing::info!(pictures, bodies = share.bodies, run = run.pictures, "memory budget");
        self.admission.set_bytes(pictures);
        self.bodies.resize(share.bodies);
        self.runs.set_most(run.pictures);
    }
}
