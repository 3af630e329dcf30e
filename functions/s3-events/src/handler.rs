//! A whole event: its objects processed a few at a time, its sender answered in its own form.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _, stream};
use glimpse_start::keep_warm;
use glimpse_telemetry::{emf, measure};
use serde_json::Value;

use crate::error::{Failure, HandlerError};
use crate::event::batch::{Job, ResultCode};
use crate::event::queue::{self, Message};
use crate::event::{Event, Notice};
use crate::invocation::Invocation;
use crate::object::Object;
use crate::tally::Tally;
use crate::worker::{Processed, Worker};

/// Answers events.
pub struct Handler {
    worker: Worker,
    cold: AtomicBool,
}

impl Handler {
    /// Build the handler; does no work.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        Self { worker, cold: AtomicBool::new(true) }
    }

    /// Process what `event` names; the answer is in the form that its sender reads. An event that
    /// only keeps the function warm loads the model.
    ///
    /// # Errors
    /// When the event cannot be read, or when some of it failed and its sender understands no other
    /// answer.
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
        if keep_warm::is_keep_warm(&event) {
            return Ok(keep_warm::answer(self.worker.store()).await);
        }
        let event = Event::read(event);
        let trigger = event.as_ref().map_or("unknown", Event::trigger);
        let mut tally = Tally::default();
        let answer = match event {
            Ok(Event::Notification(notice)) => self.notice(&notice, invocation, &mut tally).await,
            Ok(Event::Queue(messages)) => {
                Ok(self.messages(&messages, invocation, &mut tally).await)
            }
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

    async fn notice(
        &self,
        notice: &Notice,
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Result<Value, HandlerError> {
        tally.left_out(&notice.left_out);
        let objects = notice.objects.iter().map(|object| ((), object));
        let mut failures = Vec::new();
        for ((), result) in self.process_all(objects, invocation).await {
            tally.object(&result);
            failures.extend(result.err());
        }
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(Value::Null),
            Some(first) => {
                Err(HandlerError::Objects { failed, objects: notice.objects.len(), first })
            }
        }
    }

    async fn messages(
        &self,
        messages: &[Message],
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Value {
        let mut failed = BTreeSet::new();
        let mut objects = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            match &message.notice {
                Ok(notice) => {
                    tally.left_out(&notice.left_out);
                    objects.extend(notice.objects.iter().map(|object| (place, object)));
                }
                // It will be no better the next time, and goes to the dead-letter queue.
                Err(error) => {
                    tally.unreadable("message", &message.id, *error);
                    failed.insert(place);
                }
            }
        }
        for (place, result) in self.process_all(objects, invocation).await {
            tally.object(&result);
            if let Err(failure) = &result {
                log_failure("message", messages.get(place).map(|message| &*message.id), failure);
                failed.insert(place);
            }
        }
        queue::answer(failed.iter().filter_map(|&place| Some(messages.get(place)?.id.as_str())))
    }

    async fn tasks(
        &self,
        job: &Job,
        invocation: &Invocation,
        tally: &mut Tally,
    ) -> Result<Value, HandlerError> {
        let mut results = Vec::new();
        let mut objects = Vec::new();
        for task in &job.tasks {
            match &task.object {
                Ok(object) => objects.push((task.id.as_str(), object)),
                Err(error) => {
                    tally.unreadable("task", &task.id, *error);
                    results.push((
                        task.id.as_str(),
                        ResultCode::PermanentFailure,
                        error.to_string(),
                    ));
                }
            }
        }
        for (id, result) in self.process_all(objects, invocation).await {
            tally.object(&result);
            if let Err(failure) = &result {
                log_failure("task", Some(id), failure);
            }
            let (code, text) = task_result(&result);
            results.push((id, code, text));
        }
        Ok(job.answer(results)?)
    }

    /// Process `objects`, a bounded number at a time, in any order: those that take long keep none of the
    /// others waiting. Each result comes with its object's `K`.
    async fn process_all<'a, K>(
        &'a self,
        objects: impl IntoIterator<Item = (K, &'a Object)>,
        invocation: &Invocation,
    ) -> Vec<(K, Result<Processed, Failure>)> {
        let deadline = invocation.deadline.into();
        let mut pending = Vec::new();
        for (whose, object) in objects {
            let processed = self.worker.process(object, invocation.deadline).boxed();
            let processed = tokio::time::timeout_at(deadline, processed);
            let result = processed.map(|done| done.unwrap_or(Err(Failure::Deadline)));
            pending.push(result.map(|result| (whose, result)));
        }
        stream::iter(pending).buffer_unordered(self.worker.max_in_flight()).collect().await
    }
}

/// The text of the result goes into the job's report.
fn task_result(result: &Result<Processed, Failure>) -> (ResultCode, String) {
    match result {
        Ok(Processed::Labelled) => (ResultCode::Succeeded, "labelled".to_owned()),
        Ok(Processed::Refused(code)) => (ResultCode::Succeeded, (*code).to_owned()),
        Ok(Processed::Unchanged) => (ResultCode::Succeeded, "unchanged".to_owned()),
        Ok(Processed::Superseded) => (ResultCode::Succeeded, "superseded".to_owned()),
        Ok(Processed::Skipped) => {
            let reason = "the object is in the results bucket, which nothing is read from";
            (ResultCode::PermanentFailure, reason.to_owned())
        }
        Err(failure) => {
            let text = format!("{}: {failure}", failure.code());
            match failure.is_permanent() {
                true => (ResultCode::PermanentFailure, text),
                false => (ResultCode::TemporaryFailure, text),
            }
        }
    }
}

/// A failure by the id under which its sender knows it, and not by its key.
fn log_failure(kind: &str, id: Option<&str>, failure: &Failure) {
    tracing::warn!(kind, id, code = failure.code(), error = %failure, "an object is to be tried again");
}
