//! The one way from pictures to predictions that all protocols share.

mod admitted;
mod batching;
mod full_scale;
mod runs;
mod statistics;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Request};
use glimpse_telemetry::measure;

use crate::caller::Caller;
use crate::problem::{Mangled, Problem};
use crate::state::ApiState;

use admitted::{Decoded, announced, decoded};
use batching::{run_alone, run_many};
pub(crate) use runs::{Job, RunSize};
pub(crate) use statistics::Statistics;

/// The loaded model, waiting for it on a cold start. The store logs why a load failed.
///
/// A request asks once and keeps it: another model may take its place meanwhile.
pub(crate) async fn classifier(state: &ApiState) -> Result<Arc<Classifier>, Problem> {
    let model = state.store.get().await.map_err(|_| Problem::ModelUnavailable)?;
    state.settle(&model);
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
    let picture = Bytes::from(picture);
    let asked = (picture.clone(), Request::of(&options), options.clone());
    let result = run_alone(state, model, asked, caller).await?;
    let result = full_scale::checked(state, model, (picture, options), caller, result).await;
    recorded(state, model, result).map_err(|problem| problem.or_mangled(mangled))
}

/// Classify encoded pictures together: one result each, in order.
///
/// Each waits for its own memory and processor, as a single picture does; then they share runs of the
/// model, with those of other requests. Fails as a whole if the model does not support the options, or
/// the pictures have too many pixels together or would take too long.
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
    let announced = announced(model, pictures.clone(), request).await?;
    let pixels = announced.iter().flatten().map(|(header, _)| header.pixels()).sum();
    let limit = state.config.max_request_pixels;
    if pixels > limit {
        return Err(Problem::TooManyPixels { pixels, limit });
    }
    let time = announced.iter().flatten().map(|(_, cost)| cost.time);
    let limit = state.config.max_request_time;
    if time.fold(Duration::ZERO, Duration::saturating_add) > limit {
        return Err(Problem::TooMuchTime { limit });
    }
    // What is prepared waits for the rest of the request, so it takes nothing that others wait for.
    let bytes = (pictures.len() * model.manifest().input.bytes()) as u64;
    let reserved = state.bodies.reserve(caller.client, bytes).ok_or(Problem::BodiesFull)?;
    let holder = caller.holding(reserved);
    let each = pictures.iter().cloned().zip(announced).map(|(picture, announced)| {
        let picture = (picture, request, announced);
        decoded(state, model, picture, caller, |Decoded { picture, permit }, answer| {
            drop(permit);
            let _ = answer.send(Ok(picture));
        })
    });
    let prepared = join_all(each).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut good = Vec::with_capacity(prepared.len());
    let bad: Vec<_> = prepared.into_iter().map(|one| one.map(|one| good.push(one)).err()).collect();
    let mut results = run_many(state, model, good, &options, &holder).await?.into_iter();
    let results = bad.into_iter().filter_map(|error| error.map(Err).or_else(|| results.next()));
    let checked = results.zip(pictures).map(|(result, picture)| {
        full_scale::checked(state, model, (picture, options.clone()), caller, result)
    });
    let results = join_all(checked).await.into_iter();
    let recorded = |(result, found)| {
        recorded(state, model, result).map_err(|problem| problem.or_mangled(found))
    };
    Ok(results.zip(mangled).map(recorded).collect())
}

/// Classify `n` pictures that are at the input size already.
pub(crate) async fn pixels(
    state: &ApiState,
    model: &Arc<Classifier>,
    (pixels, n): (Vec<u8>, usize),
    options: Options,
    caller: &Caller,
) -> Result<Vec<Prediction>, Problem> {
    let pictures = model.prepared(pixels, n, &options)?;
    let results = run_many(state, model, pictures, &options, caller).await?;
    results.into_iter().map(|result| recorded(state, model, result)).collect()
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
    if prediction.decoded_again {
        measure::decoded_again();
    }
    if prediction.decided_by_cpu {
        measure::decided_by_cpu();
    }
    Ok(prediction)
}

/// The caller does not see it; the reason is for the operator.
fn log_failure(error: &ClassifyError) {
    if error.is_internal() {
        let source = std::error::Error::source(error);
        tracing::error!(%error, ?source, "inference failed");
    }
}
