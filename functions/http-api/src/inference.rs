//! The one way from pictures to predictions that all protocols share.

use std::sync::Arc;

use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction};

use crate::problem::Problem;
use crate::state::ApiState;

/// What one picture came to.
pub(crate) type Outcome = Result<Prediction, Problem>;

/// The loaded model, waiting for it on a cold start. The store logs why a load failed.
///
/// A request asks once and keeps it: another model may take its place meanwhile.
pub(crate) async fn classifier(state: &ApiState) -> Result<Arc<Classifier>, Problem> {
    state.store.get().await.map_err(|_| Problem::ModelUnavailable)
}

/// Classify one encoded picture.
pub(crate) async fn one(
    state: &ApiState,
    model: &Arc<Classifier>,
    picture: Vec<u8>,
    options: Options,
) -> Outcome {
    on_a_core(state, model, move |model| Ok(model.classify(&picture, &options)?)).await?
}

/// Classify encoded pictures together: one outcome each, in order.
///
/// Fails as a whole where the model cannot do what the options ask for.
pub(crate) async fn many(
    state: &ApiState,
    model: &Arc<Classifier>,
    pictures: Vec<Vec<u8>>,
    options: Options,
) -> Result<Vec<Outcome>, Problem> {
    model.check(&options)?;
    let own = |result: Result<Prediction, ClassifyError>| result.map_err(Problem::from);
    on_a_core(state, model, move |model| {
        model.classify_batch(&pictures, &options).into_iter().map(own).collect()
    })
    .await
}

/// Classify `n` pictures that are at the input size already.
pub(crate) async fn pixels(
    state: &ApiState,
    model: &Arc<Classifier>,
    pixels: Vec<u8>,
    n: usize,
    options: Options,
) -> Result<Vec<Prediction>, Problem> {
    on_a_core(state, model, move |model| Ok(model.classify_pixels(&pixels, n, &options)?)).await?
}

/// Wait for a core, then work on a thread that may block.
async fn on_a_core<T: Send + 'static>(
    state: &ApiState,
    model: &Arc<Classifier>,
    work: impl FnOnce(&Classifier) -> T + Send + 'static,
) -> Result<T, Problem> {
    if state.alone {
        return Ok(work(model));
    }
    let core = state.cores.acquire().await.map_err(|_| Problem::Internal)?;
    let model = model.clone();
    let done = tokio::task::spawn_blocking(move || work(&model)).await;
    drop(core);
    done.map_err(|error| {
        tracing::error!(error = %error, "a classification did not end");
        Problem::Internal
    })
}
