//! The one way from pictures to predictions that all protocols share.

mod batching;
mod statistics;

use std::sync::Arc;

use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Request};
use glimpse_telemetry::measure;

use crate::problem::{Mangled, Problem};
use crate::state::ApiState;

pub(crate) use batching::Batcher;
pub use batching::Batching;
pub(crate) use statistics::Statistics;

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
) -> Result<Prediction, Problem> {
    let mangled = Mangled::of(&picture);
    let result = match &state.batcher {
        None => on_a_core(state, model, move |model| model.classify(&picture, &options)).await?,
        Some(batcher) => {
            model.check(&options)?;
            let request = Request::of(&options);
            let prepare = move |model: &Classifier| model.prepare_page(&picture, request);
            let prepared = on_a_core(state, model, prepare).await?;
            match prepared {
                Ok(prepared) => batcher.classify(model, prepared, options).await?,
                Err(error) => Err(error),
            }
        }
    };
    recorded(state, model, result).map_err(|problem| problem.or_mangled(mangled))
}

/// Classify encoded pictures together: one result each, in order.
///
/// Fails as a whole if the model does not support the options.
pub(crate) async fn many(
    state: &ApiState,
    model: &Arc<Classifier>,
    pictures: Vec<Vec<u8>>,
    options: Options,
) -> Result<Vec<Result<Prediction, Problem>>, Problem> {
    model.check(&options)?;
    let mangled: Vec<_> = pictures.iter().map(|picture| Mangled::of(picture)).collect();
    let results =
        on_a_core(state, model, move |model| model.classify_batch(&pictures, &options)).await?;
    let results = results.into_iter().zip(mangled);
    let recorded = |(result, found)| {
        recorded(state, model, result).map_err(|problem| problem.or_mangled(found))
    };
    Ok(results.map(recorded).collect())
}

/// Classify `n` pictures that are at the input size already.
pub(crate) async fn pixels(
    state: &ApiState,
    model: &Arc<Classifier>,
    pixels: Vec<u8>,
    n: usize,
    options: Options,
) -> Result<Vec<Prediction>, Problem> {
    let work = move |model: &Classifier| model.classify_pixels(&pixels, n, &options);
    let results = on_a_core(state, model, work).await?.inspect_err(log_failure)?;
    results.into_iter().map(|prediction| recorded(state, model, Ok(prediction))).collect()
}

/// Record the stages of a prediction; log an error that is not the caller's fault.
fn recorded(
    state: &ApiState,
    model: &Classifier,
    result: Result<Prediction, ClassifyError>,
) -> Result<Prediction, Problem> {
    state.statistics.count(model.manifest(), &result);
    let prediction = result.inspect_err(log_failure)?;
    let timing = &prediction.timing;
    measure::prediction(timing.decode, timing.preprocess, timing.infer);
    Ok(prediction)
}

/// The caller does not see it; the reason is for the operator.
fn log_failure(error: &ClassifyError) {
    if error.is_internal() {
        let source = std::error::Error::source(error);
        tracing::error!(%error, ?source, "inference failed");
    }
}

/// Wait for a core, then work on a thread that may block.
async fn on_a_core<T: Send + 'static>(
    state: &ApiState,
    model: &Arc<Classifier>,
    work: impl FnOnce(&Classifier) -> T + Send + 'static,
) -> Result<T, Problem> {
    if state.inline {
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
