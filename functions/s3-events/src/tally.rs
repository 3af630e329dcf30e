//! How many objects of an invocation ended how: its log line and its metrics.

use std::time::Duration;

use glimpse_telemetry::measure;

use crate::error::Failure;
use crate::event::{EventError, EventName};
use crate::invocation::Invocation;
use crate::worker::Processed;

/// Counts of one invocation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    labelled: u32,
    refused: u32,
    unchanged: u32,
    superseded: u32,
    skipped: u32,
    left_out: u32,
    failed: u32,
}

impl Tally {
    pub(crate) fn object(&mut self, result: &Result<Processed, Failure>) {
        match result {
            Ok(Processed::Labelled) => self.labelled += 1,
            Ok(Processed::Refused(code)) => {
                self.refused += 1;
                measure::error(code);
            }
            Ok(Processed::Unchanged) => self.unchanged += 1,
            Ok(Processed::Superseded) => self.superseded += 1,
            Ok(Processed::Skipped) => {
                self.skipped += 1;
                tracing::warn!("an event of the results bucket; results have none of their own");
            }
            Err(failure) => {
                self.failed += 1;
                measure::error(failure.code());
            }
        }
    }

    /// Events that name nothing to classify, such as deletions: one log line for each.
    pub(crate) fn left_out(&mut self, events: &[EventName]) {
        for event in events {
            self.left_out += 1;
            tracing::info!(%event, "left out: the event names no object to classify");
        }
    }

    /// A message or a task that cannot be read.
    pub(crate) fn unreadable(&mut self, kind: &str, id: &str, error: EventError) {
        self.failed += 1;
        measure::error("invalid_event");
        tracing::error!(kind, id, %error, "cannot be read");
    }

    pub(crate) fn log(&self, trigger: &str, invocation: &Invocation, took: Duration) {
        let Self { labelled, refused, unchanged, superseded, skipped, left_out, failed } = self;
        tracing::info!(
            request_id = invocation.request_id,
            trace_id = invocation.trace_id,
            trigger,
            labelled,
            refused,
            unchanged,
            superseded,
            skipped,
            left_out,
            failed,
            request_ms = took.as_secs_f64() * 1e3,
            "event"
        );
    }
}
