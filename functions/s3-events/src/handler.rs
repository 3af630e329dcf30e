//! A whole event: its objects settled a few at a time, its sender answered in its own form.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::{FutureExt as _, StreamExt as _, stream};
use glimpse_telemetry::{emf, measure, ms};
use lambda_runtime::Context;
use serde_json::Value;

use crate::event::batch::{Job, ResultCode};
use crate::event::queue::Message;
use crate::event::{Event, EventError, queue};
use crate::object::Object;
use crate::worker::{Failure, Outcome, Worker};

/// Left of an invocation's time for its answer and its log lines.
const MARGIN: Duration = Duration::from_millis(1500);

/// What an invocation is called and how long it may take.
#[derive(Debug, Clone)]
pub struct Invocation {
    request_id: String,
    trace_id: Option<String>,
    deadline: Instant,
}

impl Invocation {
    /// An invocation that ends after `time`.
    #[must_use]
    pub fn new(request_id: &str, time: Duration) -> Self {
        let deadline = Instant::now() + time;
        Self { request_id: request_id.to_owned(), trace_id: None, deadline }
    }
}

impl From<&Context> for Invocation {
    fn from(context: &Context) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = context.deadline().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = left.saturating_sub(now).saturating_sub(MARGIN);
        Self { trace_id: context.xray_trace_id.clone(), ..Self::new(&context.request_id, left) }
    }
}

/// An invocation failed: Lambda sends the event again, and what is settled stays so.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some of its objects were not settled.
    #[error("{failed} of {objects} objects failed, the first because {first}")]
    Objects {
        /// How many failed.
        failed: usize,
        /// How many there were.
        objects: usize,
        /// Why the first of them did.
        first: Failure,
    },
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Answer(#[from] serde_json::Error),
}

/// Answers events.
pub struct Handler {
    worker: Worker,
    cold: AtomicBool,
}

type Settled = Result<Outcome, Failure>;

impl Handler {
    /// Build the handler; does no work.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        Self { worker, cold: AtomicBool::new(true) }
    }

    /// Settle what `event` names; the answer is in the form that its sender reads.
    ///
    /// # Errors
    /// When the event cannot be read, or when its sender knows no other way to be told that some of
    /// it failed.
    pub async fn handle(
        &self,
        event: Value,
        invocation: &Invocation,
    ) -> Result<Value, HandlerError> {
        let started = Instant::now();
        emf::name_request(&invocation.request_id);
        if self.cold.swap(false, Ordering::Relaxed) {
            measure::cold_start();
        }
        let event = Event::read(event);
        let trigger = event.as_ref().map_or("unknown", Event::trigger);
        let mut tally = Tally::default();
        let answer = match event {
            Ok(Event::Notification(objects)) => {
                self.notified(&objects, invocation, &mut tally).await
            }
            Ok(Event::Queue(messages)) => Ok(self.queued(&messages, invocation, &mut tally).await),
            Ok(Event::Batch(job)) => self.tasks(&job, invocation, &mut tally).await,
            Err(error) => {
                measure::error("invalid_event");
                Err(error.into())
            }
        };
        if let Err(error) = &answer {
            tracing::error!(%error, "the event is to be sent again");
        }
        tally.log(trigger, invocation, started.elapsed());
        measure::request(started.elapsed());
        emf::flush();
        answer
    }

    async fn notified(
        &self,
        objects: &[Object],
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Result<Value, HandlerError> {
        let settled = self.settle_all(objects.iter().collect(), invocation).await;
        settled.iter().for_each(|settled| tally.count(settled));
        let mut failures = settled.iter().filter_map(|settled| settled.err());
        let Some(first) = failures.next() else { return Ok(Value::Null) };
        let failed = 1 + failures.count();
        Err(HandlerError::Objects { failed, objects: objects.len(), first })
    }

    async fn queued(
        &self,
        messages: &[Message],
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Value {
        let objects =
            messages.iter().flat_map(|message| message.objects.iter().flatten()).collect();
        let mut settled = self.settle_all(objects, invocation).await.into_iter();
        let mut failed = Vec::new();
        for message in messages {
            let good = match &message.objects {
                Ok(objects) => {
                    let own = settled.by_ref().take(objects.len());
                    own.fold(true, |good, settled| {
                        tally.count(&settled);
                        explain("message", &message.id, &settled);
                        good && settled.is_ok()
                    })
                }
                // It will be no better the next time, and goes to the dead-letter queue.
                Err(error) => {
                    tally.failed += 1;
                    measure::error("invalid_event");
                    tracing::error!(id = message.id, %error, "a message cannot be read");
                    false
                }
            };
            if !good {
                failed.push(message.id.as_str());
            }
        }
        queue::answer(failed)
    }

    async fn tasks(
        &self,
        job: &Job,
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Result<Value, HandlerError> {
        let objects = job.tasks.iter().flat_map(|task| task.object.iter()).collect();
        let mut settled = self.settle_all(objects, invocation).await.into_iter();
        let mut results = Vec::new();
        for task in &job.tasks {
            results.push(match &task.object {
                Ok(_) => {
                    let settled = settled.next().unwrap_or(Err(Failure::Internal));
                    tally.count(&settled);
                    explain("task", &task.id, &settled);
                    result_of(settled)
                }
                Err(error) => {
                    tally.failed += 1;
                    measure::error("invalid_event");
                    (ResultCode::PermanentFailure, error.to_string())
                }
            });
        }
        Ok(job.answer(results)?)
    }

    /// Settle `objects`, a bounded number at a time; one outcome each, in order.
    async fn settle_all(&self, objects: Vec<&Object>, invocation: &Invocation) -> Vec<Settled> {
        let mut pending = Vec::new();
        for object in objects {
            pending.push(self.settle_in_time(object, invocation.deadline).boxed());
        }
        stream::iter(pending).buffered(self.worker.max_in_flight()).collect().await
    }

    async fn settle_in_time(&self, object: &Object, deadline: Instant) -> Settled {
        let settled = tokio::time::timeout_at(deadline.into(), self.worker.settle(object)).await;
        settled.unwrap_or(Err(Failure::Deadline))
    }
}

/// The text of the result goes into the job's report.
fn result_of(settled: Settled) -> (ResultCode, String) {
    match settled {
        Ok(Outcome::Labelled) => (ResultCode::Succeeded, "labelled".to_owned()),
        Ok(Outcome::Refused(code)) => (ResultCode::Succeeded, code.to_owned()),
        Ok(Outcome::Unchanged) => (ResultCode::Succeeded, "unchanged".to_owned()),
        Ok(Outcome::Superseded) => (ResultCode::Succeeded, "superseded".to_owned()),
        Ok(Outcome::Skipped) => {
            let reason = "the object is in the results bucket, which nothing is read from";
            (ResultCode::PermanentFailure, reason.to_owned())
        }
        Err(failure) if failure.is_permanent() => {
            (ResultCode::PermanentFailure, format!("{}: {failure}", failure.code()))
        }
        Err(failure) => (ResultCode::TemporaryFailure, format!("{}: {failure}", failure.code())),
    }
}

/// A failure by the id under which its sender knows it, and not by its key.
fn explain(kind: &str, id: &str, settled: &Settled) {
    if let Err(error) = settled {
        tracing::warn!(kind, id, code = error.code(), %error, "an object is to be tried again");
    }
}

/// How many objects ended how, for the invocation's log line.
#[derive(Debug, Default)]
struct Tally {
    labelled: u32,
    refused: u32,
    unchanged: u32,
    superseded: u32,
    skipped: u32,
    failed: u32,
}

impl Tally {
    fn count(&mut self, settled: &Settled) {
        match settled {
            Ok(Outcome::Labelled) => self.labelled += 1,
            Ok(Outcome::Refused(code)) => {
                self.refused += 1;
                measure::error(code);
            }
            Ok(Outcome::Unchanged) => self.unchanged += 1,
            Ok(Outcome::Superseded) => self.superseded += 1,
            Ok(Outcome::Skipped) => {
                self.skipped += 1;
                tracing::warn!("an event of the results bucket; results have none of their own");
            }
            Err(failure) => {
                self.failed += 1;
                measure::error(failure.code());
            }
        }
    }

    fn log(&self, trigger: &str, invocation: &Invocation, took: Duration) {
        let Self { labelled, refused, unchanged, superseded, skipped, failed } = self;
        tracing::info!(
            request_id = invocation.request_id,
            trace_id = invocation.trace_id,
            trigger,
            labelled,
            refused,
            unchanged,
            superseded,
            skipped,
            failed,
            request_ms = ms(took),
            "event"
        );
    }
}
