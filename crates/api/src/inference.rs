//! The one way from pictures to predictions that all protocols share.

use std::sync::Arc;

use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction};
use glimpse_telemetry::measure;

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
    let outcome: Outcome = match &state.batcher {
        None => {
            on_a_core(state, model, move |model| Ok(model.classify(&picture, &options)?)).await?
        }
        Some(batcher) => {
            model.check(&options)?;
            let prepared = on_a_core(state, model, move |model| model.prepare(&picture)).await??;
            Ok(batcher.classify(model, prepared, options).await??)
        }
    };
    outcome.inspect(measured)
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
    let outcomes: Vec<Outcome> = on_a_core(state, model, move |model| {
        model.classify_batch(&pictures, &options).into_iter().map(own).collect()
    })
    .await?;
    outcomes.iter().flatten().for_each(measured);
    Ok(outcomes)
}

/// Classify `n` pictures that are at the input size already.
pub(crate) async fn pixels(
    state: &ApiState,
    model: &Arc<Classifier>,
    pixels: Vec<u8>,
    n: usize,
    options: Options,
) -> Result<Vec<Prediction>, Problem> {
    let predictions: Result<Vec<Prediction>, Problem> =
        on_a_core(state, model, move |model| Ok(model.classify_pixels(&pixels, n, &options)?))
            .await?;
    predictions.inspect(|predictions| predictions.iter().for_each(measured))
}

fn measured(prediction: &Prediction) {
    let timing = &prediction.timing;
    measure::prediction(timing.decode, timing.preprocess, timing.infer);
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
    let core = state.cores.clone().acquire_owned().await.map_err(|_| Problem::Internal)?;
    let model = model.clone();
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || {
        // Kept until the work is done, also when the caller gives up before.
        let _core = core;
        span.in_scope(|| work(&model))
    });
    done.await.map_err(|error| {
        tracing::error!(error = %error, "a classification did not end");
        Problem::Internal
    })
}
