//! Decoding that begins when its memory and a processor are free, on threads that may block.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use glimpse_budget::{Permit, Work};
use glimpse_classifier::{Classifier, ClassifyError, Cost, Header, Prepared, Request};
use tokio::sync::oneshot;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Headers of such files take microseconds.
const SMALL: usize = 256 << 10;

/// Where the result of a picture is awaited.
type Answered<T> = oneshot::Sender<Result<T, ClassifyError>>;

/// A picture that was decoded, with what it holds of the budget.
pub(super) struct Decoded {
    pub(super) picture: Prepared,
    pub(super) permit: Permit,
}

/// Wait for memory and a processor: for so many bytes, for about so long, for so many bytes sent.
async fn admit(
    state: &ApiState,
    (bytes, time, sent_bytes): (u64, Duration, u64),
    caller: &Caller,
) -> Result<Permit, ClassifyError> {
    let work = Work { client: caller.client, bytes, time, sent_bytes };
    let permit = state.admission.enter(work).await;
    permit.map_err(|over| ClassifyError::TooMuchMemory { limit: over.budget })
}

/// What a picture's header says, and what decoding it takes.
pub(super) type Announced = Result<(Header, Cost), ClassifyError>;

/// What the headers of pictures say.
pub(super) async fn announced(
    model: &Arc<Classifier>,
    pictures: Vec<Bytes>,
    request: Request,
) -> Result<Vec<Announced>, Problem> {
    let model = model.clone();
    let header = move |picture: &Bytes| model.announced(picture, request);
    on_thread(move || pictures.iter().map(header).collect()).await
}

/// What the header of a picture says.
pub(super) async fn announced_one(
    state: &ApiState,
    model: &Arc<Classifier>,
    picture: &Bytes,
    request: Request,
) -> Result<Announced, Problem> {
    // Few bytes are read sooner than another thread wakes.
    if state.inline || picture.len() <= SMALL {
        return Ok(model.announced(picture, request));
    }
    let (model, picture) = (model.clone(), picture.clone());
    on_thread(move || model.announced(&picture, request)).await
}

/// Decode a picture once there is memory and a processor for it, and have `then` see to the answer, on
/// the same thread. What the decoder took is given back before. `announced` is what its header says.
pub(super) async fn decoded<T: Send + 'static>(
    state: &ApiState,
    model: &Arc<Classifier>,
    (picture, request, announced): (Bytes, Request, Announced),
    caller: &Caller,
    then: impl FnOnce(Decoded, Answered<T>) + Send + 'static,
) -> Result<Result<T, ClassifyError>, Problem> {
    let (_, cost) = match announced {
        Ok(announced) => announced,
        Err(error) => return Ok(Err(error)),
    };
    let wanted = (cost.peak_bytes, cost.time, picture.len() as u64);
    let mut permit = match admit(state, wanted, caller).await {
        Ok(permit) => permit,
        Err(error) => return Ok(Err(error)),
    };
    let (answer, answered) = oneshot::channel();
    let (of_model, caller) = (model.clone(), caller.clone());
    let work = move || {
        let prepared = of_model.prepare_page(&picture, request);
        // All of it is given back here, by the thread, however long the caller has waited.
        drop((picture, caller));
        match prepared {
            Ok(prepared) => {
                permit.keep(prepared.bytes());
                then(Decoded { picture: prepared, permit }, answer);
            }
            Err(error) => {
                drop(permit);
                let _ = answer.send(Err(error));
            }
        }
    };
    if state.inline {
        work();
    } else {
        // The thread may have more to do than this answer.
        let span = tracing::Span::current();
        drop(tokio::task::spawn_blocking(move || span.in_scope(work)));
    }
    answered.await.map_err(not_ended)
}

/// The thread that was to answer has ended without: a panic, which it has reported.
pub(super) fn not_ended(_: oneshot::error::RecvError) -> Problem {
    tracing::error!("a classification did not end");
    Problem::Internal
}

/// Work on a thread that may block, in the request's span.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work));
    done.await.map_err(|error| {
        tracing::error!(%error, "a classification did not end");
        Problem::Internal
    })
}
