//! Pictures of all requests in shared runs of the model: those that wait while one runs are run
//! together next.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use glimpse_budget::Processor;
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Prepared, Request};
use tokio::sync::oneshot;

use super::admitted::{Decoded, announced_one, decoded, not_ended};
use super::runs::{Answer, Job, lead, lead_once};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Decode a picture once there is memory and a processor for it, and have it run from the thread that
/// decoded it.
pub(super) async fn run_alone(
    state: &ApiState,
    model: &Arc<Classifier>,
    (picture, request, options): (Bytes, Request, Options),
    caller: &Caller,
) -> Result<Result<Prediction, ClassifyError>, Problem> {
    let (shared, of_model) = (state.clone(), model.clone());
    let then = move |decoded, answer| run_one(&shared, (of_model, options), decoded, answer);
    let announced = announced_one(state, model, &picture, request).await?;
    let announced = announced.and_then(|(header, cost)| {
        let (format, limit) = (header.format.name(), state.config.max_request_time);
        let fits = cost.time <= limit;
        fits.then_some((header, cost)).ok_or(ClassifyError::TooMuchTime { format, limit })
    });
    decoded(state, model, (picture, request, announced), caller, then).await
}

fn run_one(
    state: &ApiState,
    (model, options): (Arc<Classifier>, Options),
    Decoded { picture, mut permit }: Decoded,
    answer: Answer,
) {
    let (client, processor) = (permit.client(), permit.rest());
    let job = Job { model, picture, options, answer, _held: (Some(permit), None) };
    if let Some(mine) = state.runs.join(client, [job], processor) {
        if state.inline {
            lead_once(mine, &state.statistics);
        } else {
            lead(mine, &state.statistics);
        }
    }
}

/// Have pictures of one request run; one result each, in order. They are no part of the budget, but
/// of what the caller reserved.
pub(super) async fn run_many(
    state: &ApiState,
    model: &Arc<Classifier>,
    pictures: Vec<Prepared>,
    options: &Options,
    caller: &Caller,
) -> Result<Vec<Result<Prediction, ClassifyError>>, Problem> {
    let mut results = Vec::with_capacity(pictures.len());
    let jobs = pictures.into_iter().map(|picture| {
        let (answer, result) = oneshot::channel();
        results.push(result);
        let (model, options, caller) = (model.clone(), options.clone(), caller.clone());
        Job { model, picture, options, answer, _held: (None, Some(caller)) }
    });
    if let Some(mine) = state.runs.join(caller.client, jobs, None::<Processor>) {
        let statistics = state.statistics.clone();
        if state.inline {
            lead_once(mine, &statistics);
        } else {
            tokio::task::spawn_blocking(move || lead(mine, &statistics));
        }
    }
    let results = join_all(results).await.into_iter();
    results.map(|result| result.map_err(not_ended)).collect()
}
