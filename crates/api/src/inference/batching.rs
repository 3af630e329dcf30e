//! Pictures of different requests in one run of the session.
//!
//! Whether that pays depends on the model and the processor: small models gain most, and a window
//! delays every request. It is off by default.

use std::sync::Arc;
use std::time::Duration;

use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Prepared};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::problem::Problem;

/// How pictures are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Most pictures in a run.
    pub most: usize,
    /// How long the first picture waits for others. With none, those that wait already are taken.
    pub window: Duration,
}

struct Job {
    model: Arc<Classifier>,
    picture: Prepared,
    options: Options,
    answer: oneshot::Sender<Result<Prediction, ClassifyError>>,
}

/// Gathers pictures and runs them; cloning shares it.
#[derive(Clone)]
pub(crate) struct Batcher(mpsc::Sender<Job>);

impl Batcher {
    /// Start gathering, until the last clone is gone.
    pub(crate) fn start(batching: Batching) -> Self {
        let most = batching.most.max(1);
        let (sender, queue) = mpsc::channel(most);
        tokio::spawn(gather(queue, Batching { most, ..batching }));
        Self(sender)
    }

    /// Classify `picture`, which `model` prepared, together with others.
    pub(crate) async fn classify(
        &self,
        model: &Arc<Classifier>,
        picture: Prepared,
        options: Options,
    ) -> Result<Result<Prediction, ClassifyError>, Problem> {
        let (answer, result) = oneshot::channel();
        let job = Job { model: model.clone(), picture, options, answer };
        self.0.send(job).await.map_err(|_| Problem::Internal)?;
        result.await.map_err(|_| Problem::Internal)
    }
}

/// One run after the other: while one runs, the next batch gathers in the queue.
async fn gather(mut queue: mpsc::Receiver<Job>, Batching { most, window }: Batching) {
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + window;
        while batch.len() < most {
            // A queue that has something gives it even when the time is over.
            match timeout_at(until, queue.recv()).await {
                Ok(Some(job)) => batch.push(job),
                Ok(None) | Err(_) => break,
            }
        }
        if let Err(error) = tokio::task::spawn_blocking(move || run(batch)).await {
            tracing::error!(%error, "a batch did not end");
        }
    }
}

fn run(mut batch: Vec<Job>) {
    // A request that gave up is not worked for.
    batch.retain(|job| !job.answer.is_closed());
    while let Some(first) = batch.first() {
        // After a change of the model, a batch may hold pictures for both.
        let model = first.model.clone();
        let is_for_it = |job: &Job| Arc::ptr_eq(&job.model, &model);
        let (same, others): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(is_for_it);
        batch = others;
        let pictures: Vec<_> = same.iter().map(|job| (&job.picture, &job.options)).collect();
        let results = model.classify_prepared(&pictures);
        for (job, result) in same.into_iter().zip(results) {
            // Nobody waits for it when the request gave up meanwhile.
            let _ = job.answer.send(result);
        }
    }
}
