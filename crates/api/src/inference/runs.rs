//! Runs of the model that several pictures share, whatever each of them asks for.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use glimpse_budget::{Lead, Permit};
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Prepared};
use tokio::sync::oneshot;

use super::statistics::Statistics;
use crate::caller::Caller;

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
    pub(super) model: Arc<Classifier>,
    pub(super) picture: Prepared,
    pub(super) options: Options,
    pub(super) answer: Answer,
    /// Memory, until the picture is gone.
    pub(super) _held: (Option<Permit>, Option<Caller>),
}

/// Run what waits, on a thread that may block, until nothing does.
pub(super) fn lead(mut mine: Lead<Job>, statistics: &Statistics) {
    while let Some(jobs) = next(&mut mine) {
        run(jobs, statistics);
    }
}

/// Run what this thread brought; if there is more, another thread goes on.
pub(super) fn lead_once(mut mine: Lead<Job>, statistics: &Statistics) {
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
