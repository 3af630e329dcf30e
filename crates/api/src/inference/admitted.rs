//! Work that begins when its memory and a processor are free, on threads that may block.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use glimpse_budget::{Permit, Work};
use glimpse_classifier::{Classifier, ClassifyError, Prepared, Request};

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Headers of such files take microseconds.
const SMALL: usize = 256 << 10;
/// What a run of the model is estimated at before it is measured.
const RUN: Duration = Duration::from_millis(10);
/// A run of the model: it takes a processor, and its memory is the model's.
pub(super) const INFERENCE: (u64, Duration, u64) = (0, RUN, u64::MAX);

/// Wait for memory and a processor: for so many bytes, for about so long, for so many bytes sent.
pub(super) async fn admit(
    state: &ApiState,
    (bytes, time, sent_bytes): (u64, Duration, u64),
    caller: &Caller,
) -> Result<Permit, ClassifyError> {
    let work = Work { client: caller.client, bytes, time, sent_bytes };
    let permit = state.admission.enter(work).await;
    permit.map_err(|over| ClassifyError::TooMuchMemory { limit: over.budget })
}

/// The pixels of pictures together, as their headers say.
pub(super) async fn announced(
    model: &Arc<Classifier>,
    pictures: Vec<Bytes>,
    request: Request,
) -> Result<u64, Problem> {
    let model = model.clone();
    let pixels = move |picture: &Bytes| {
        model.announced(picture, request).map_or(0, |(header, _)| header.pixels())
    };
    on_thread(move || pictures.iter().map(pixels).sum()).await
}

/// Decode a picture once there is memory and a processor for it, then do the `rest` with it: the
/// memory is given back before, the processor after.
pub(super) async fn decoded<T: Send + 'static>(
    state: &ApiState,
    model: &Arc<Classifier>,
    (picture, request): (Bytes, Request),
    caller: &Caller,
    rest: impl FnOnce(&Classifier, Prepared) -> Result<T, ClassifyError> + Send + 'static,
) -> Result<Result<T, ClassifyError>, Problem> {
    // Few bytes are read sooner than another thread wakes.
    let announced = if state.inline || picture.len() <= SMALL {
        model.announced(&picture, request)
    } else {
        let (model, picture) = (model.clone(), picture.clone());
        on_thread(move || model.announced(&picture, request)).await?
    };
    let (_, cost) = match announced {
        Ok(announced) => announced,
        Err(error) => return Ok(Err(error)),
    };
    let wanted = (cost.peak_bytes, cost.time + RUN, picture.len() as u64);
    let mut permit = match admit(state, wanted, caller).await {
        Ok(permit) => permit,
        Err(error) => return Ok(Err(error)),
    };
    let (of_model, caller) = (model.clone(), caller.clone());
    let work = move || {
        // All of it is given back here, by the thread, however long the caller has waited.
        let _caller = caller;
        let prepared = of_model.prepare_page(&picture, request);
        permit.keep(0);
        rest(&of_model, prepared?)
    };
    if state.inline { Ok(work()) } else { on_thread(work).await }
}

/// Work on a thread that may block, in the request's span.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work));
    done.await.map_err(|error| {
        tracing::error!(%error, "a classification did not end");
        Problem::Internal
    })
}
