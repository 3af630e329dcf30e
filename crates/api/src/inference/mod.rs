//! The one way from pictures to predictions that all protocols share.

mod admitted;
mod batching;
mod statistics;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Request};
use glimpse_telemetry::measure;

use crate::caller::Caller;
use crate::problem::{Mangled, Problem};
use crate::state::ApiState;

use admitted::{INFERENCE, admit, announced, decoded, on_thread};
pub(crate) use batching::Batcher;
pub use batching::Batching;
pub(crate) use statistics::Statistics;

/// The loaded model, waiting for it on a cold start. The store logs why a load failed.
///
/// A request asks once and keeps it: another model may take its place meanwhile.
pub(crate) async fn classifier(state: &ApiState) -> Result<Arc<Classifier>, Problem> {
    let model = state.store.get().await.map_err(|_| Problem::ModelUnavailable)?;
    state.settle();
    Ok(model)
}

/// Classify one encoded picture.
pub(crate) async fn one(
    state: &ApiState,
    model: &Arc<Classifier>,
    picture: Vec<u8>,
    options: Options,
    caller: &Caller,
) -> Result<Prediction, Problem> {
    model.check(&options)?;
    let mangled = Mangled::of(&picture);
    let request = Request::of(&options);
    let result = match &state.batcher {
        None => {
            let infer = move |model: &Classifier, prepared| model.classify_one(&prepared, &options);
            decoded(state, model, (picture.into(), request), caller, infer).await?
        }
        Some(batcher) => {
            let picture = (picture.into(), request);
            match decoded(state, model, picture, caller, |_, prepared| Ok(prepared)).await? {
                Ok(prepared) => batcher.classify(model, prepared, options).await?,
                Err(error) => Err(error),
            }
        }
    };
    recorded(state, model, result).map_err(|problem| problem.or_mangled(mangled))
}

/// Classify encoded pictures together: one result each, in order.
///
/// Each waits for its own memory and processor, as a single picture does. Fails as a whole if the
/// model does not support the options, or the pictures have too many pixels together.
pub(crate) async fn many(
    state: &ApiState,
    model: &Arc<Classifier>,
    pictures: Vec<Vec<u8>>,
    options: Options,
    caller: &Caller,
) -> Result<Vec<Result<Prediction, Problem>>, Problem> {
    model.check(&options)?;
    let mangled: Vec<_> = pictures.iter().map(|picture| Mangled::of(picture)).collect();
    let pictures: Vec<Bytes> = pictures.into_iter().map(Bytes::from).collect();
    let request = Request::of(&options);
    let pixels = announced(model, pictures.clone(), request).await?;
    let limit = state.config.max_request_pixels;
    if pixels > limit {
        return Err(Problem::TooManyPixels { pixels, limit });
    }
    let each = pictures.into_iter().map(|picture| {
        decoded(state, model, (picture, request), caller, |_, prepared| Ok(prepared))
    });
    let prepared = join_all(each).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let permit = admit(state, INFERENCE, caller).await?;
    let (model_of, caller_of) = (model.clone(), caller.clone());
    let results = on_thread(move || {
        let _held = (permit, caller_of);
        model_of.classify_each(prepared, &options)
    });
    let results = results.await?.into_iter().zip(mangled);
    let recorded = |(result, found)| {
        recorded(state, model, result).map_err(|problem| problem.or_mangled(found))
    };
    Ok(results.map(recorded).collect())
}

/// Classify `n` pictures that are at the input size already.
pub(crate) async fn pixels(
    state: &ApiState,
    model: &Arc<Classifier>,
    (pixels, n): (Vec<u8>, usize),
    options: Options,
    caller: &Caller,
) -> Result<Vec<Prediction>, Problem> {
    let permit = admit(state, INFERENCE, caller).await?;
    let (model_of, caller_of) = (model.clone(), caller.clone());
    let results = on_thread(move || {
        let _held = (permit, caller_of);
        model_of.classify_pixels(&pixels, n, &options)
    });
    let results = results.await?.inspect_err(log_failure)?;
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
