//! What every handler shares.

use std::sync::{Arc, Once};

use glimpse_budget::{Admission, Pool, Share};
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;

use crate::config::ApiConfig;
use crate::inference::{Batcher, Batching, Statistics};

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
    /// Where pictures of different requests meet for one run; none unless asked for.
    pub(crate) batcher: Option<Batcher>,
    pub(crate) statistics: Statistics,
}

impl ApiState {
    /// Build the state; does no work.
    #[must_use]
    pub fn new(store: ModelStore, objects: Objects, config: ApiConfig) -> Self {
        let share = Share::now(config.memory_budget);
        Self {
            store,
            objects,
            config: Arc::new(config),
            admission: Admission::new(share.pictures),
            bodies: Pool::new(share.bodies),
            settled: Arc::new(Once::new()),
            inline: false,
            batcher: None,
            statistics: Statistics::default(),
        }
    }

    /// For a process that gets one request at a time, as on Lambda: the thread that serves it has
    /// nothing else to do, so the picture is not handed to another one and back.
    #[must_use]
    pub fn one_request_at_a_time(self) -> Self {
        Self { inline: true, ..self }
    }

    /// Fit the budgets to what the loaded model leaves of the memory.
    pub(crate) fn settle(&self) {
        self.settled.call_once(|| {
            let share = Share::now(self.config.memory_budget);
            tracing::info!(pictures = share.pictures, bodies = share.bodies, "memory budget");
            self.admission.set_bytes(share.pictures);
            self.bodies.resize(share.bodies);
        });
    }

    /// Fit the budgets to a model that has taken the place of another.
    pub fn refit(&self) {
        let taken = self.admission.taken_bytes() + self.bodies.taken();
        let share = Share::beside(self.config.memory_budget, taken);
        self.admission.set_bytes(share.pictures);
        self.bodies.resize(share.bodies);
    }

    /// Classify pictures of different requests in one run of the session. Needs a tokio runtime.
    #[must_use]
    pub fn batching(self, batching: Batching) -> Self {
        Self { batcher: Some(Batcher::start(batching)), ..self }
    }
}
