//! Pictures of all requests in shared runs of the model: those that wait while one runs are run
//! together next, whatever each of them asks for.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use futures::future::join_all;
use glimpse_budget::{Lead, Permit, Processor};
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Prepared};
use tokio::sync::oneshot;

use super::admitted::{Decoded, not_ended};
use super::statistics::Statistics;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Where what is asked of the model is answered.
pub(super) type Answer = oneshot::Sender<Result<Prediction, ClassifyError>>;

/// Pictures in a run for each processor: more gain nothing.
const A_PROCESSOR: usize = 4;
/// The least and the most of them by default.
const LEAST: usize = 8;
const MOST: usize = 64;
/// The part of the budget that runs may take.
const PART: u64 = 8;

/// How many pictures share a run, and the memory that is set aside for what they take beyond one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunSize {
    pub(crate) pictures: usize,
    pub(crate) bytes: u64,
}

impl RunSize {
    /// As many as were asked for, else as many as pay on this machine; fewer where they take more than
    /// a part of the `budget`, with so many bytes for `each`.
    pub(crate) fn fitting(asked: Option<usize>, budget: u64, each: u64) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let wanted = asked.unwrap_or((A_PROCESSOR * processors).clamp(LEAST, MOST));
        let room = usize::try_from(budget / PART / each.max(1)).unwrap_or(usize::MAX);
        let more = wanted.saturating_sub(1).min(room);
        Self { pictures: more + 1, bytes: each * more as u64 }
    }
}

/// A picture that waits for a run.
pub(crate) struct Job {
    model: Arc<Classifier>,
    picture: Prepared,
    options: Options,
    answer: Answer,
    /// Memory, until the picture is gone.
    _held: (Option<Permit>, Option<Caller>),
}

/// Have a picture run from the thread that decoded it.
pub(super) fn run_one(
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

/// Run what waits, on a thread that may block, until nothing does.
fn lead(mut mine: Lead<Job>, statistics: &Statistics) {
    while let Some(jobs) = next(&mut mine) {
        run(jobs, statistics);
    }
}

/// Run what this thread brought; if there is more, another thread goes on.
fn lead_once(mut mine: Lead<Job>, statistics: &Statistics) {
    let Some(jobs) = next(&mut mine) else { return };
    run(jobs, statistics);
    if let Some(jobs) = next(&mut mine) {
        let statistics = statistics.clone();
        tokio::task::spawn_blocking(move || {
            run(jobs, &statistics);
            lead(mine, &statistics);
        });
    }
}

/// A request that gave up is not worked for.
fn next(mine: &mut Lead<Job>) -> Option<Vec<Job>> {
    mine.next(|job| job.answer.is_closed())
}

fn run(mut jobs: Vec<Job>, statistics: &Statistics) {
    while let Some(first) = jobs.first() {
        // After a change of the model there may be pictures for both.
        let model = first.model.clone();
        let (same, others) = jobs.into_iter().partition(|job| Arc::ptr_eq(&job.model, &model));
        jobs = others;
        // A panic is a mistake of this program; it must not stop the line.
        if catch_unwind(AssertUnwindSafe(|| together(&model, same, statistics))).is_err() {
            tracing::error!("a run of the model panicked");
        }
    }
}

/// One run, or one for each picture where that fails: what is wrong with one is not the others' fault.
fn together(model: &Classifier, jobs: Vec<Job>, statistics: &Statistics) {
    let pictures: Vec<_> = jobs.iter().map(|job| (&job.picture, &job.options)).collect();
    let results = match model.classify_together(&pictures) {
        Ok(results) => {
            statistics.ran(model.manifest());
            results
        }
        Err(error) if jobs.len() == 1 => vec![Err(error)],
        Err(error) => {
            let n = jobs.len();
            tracing::warn!(%error, pictures = n, "a run failed; each picture is tried by itself");
            for job in jobs.into_iter().filter(|job| !job.answer.is_closed()) {
                together(model, vec![job], statistics);
            }
            return;
        }
    };
    for (job, result) in jobs.into_iter().zip(results) {
        // Nobody waits for it when the request gave up meanwhile.
        let _ = job.answer.send(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_large_as_asked_for_and_as_memory_allows() {
        let fitting = |asked, budget| RunSize::fitting(asked, budget, 10);
        assert_eq!(fitting(Some(4), 1_000_000), RunSize { pictures: 4, bytes: 30 });
        assert_eq!(fitting(Some(1), 1_000_000), RunSize { pictures: 1, bytes: 0 });
        assert_eq!(fitting(Some(4), 160), RunSize { pictures: 3, bytes: 20 });
        assert_eq!(fitting(None, 0), RunSize { pictures: 1, bytes: 0 });
        assert!((LEAST..=MOST).contains(&fitting(None, 1_000_000).pictures));
    }
}
