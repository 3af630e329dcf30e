//! What every handler shares.

use std::sync::Arc;

use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use tokio::sync::Semaphore;

use crate::config::ApiConfig;
use crate::inference::{Batcher, Batching, Statistics};

/// The model store, S3, the configuration and the queue for the cores; cloning shares them.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: ModelStore,
    pub(crate) objects: Objects,
    pub(crate) config: Arc<ApiConfig>,
    /// First come, first served: one picture a core is decoded or inferred at a time.
    pub(crate) cores: Arc<Semaphore>,
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
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            store,
            objects,
            config: Arc::new(config),
            cores: Arc::new(Semaphore::new(cores)),
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

    /// Classify pictures of different requests in one run of the session. Needs a tokio runtime.
    #[must_use]
    pub fn batching(self, batching: Batching) -> Self {
        Self { batcher: Some(Batcher::start(batching)), ..self }
    }
}
