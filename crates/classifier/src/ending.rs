//! Ending a run from another thread. Only the promise that this is allowed is `unsafe` here.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::session::{HasSelectedOutputs, RunOptions};
use parking_lot::Mutex;

/// The options of a run, which another thread may end.
pub(crate) struct Options(pub(crate) RunOptions<HasSelectedOutputs>);

// SAFETY: a run reads the options, and `terminate`, the one method that another thread calls, sets a
// flag in them that ONNX Runtime documents to be set while a run is under way
// (`RunOptionsSetTerminate`). The selected outputs, for which `ort` leaves this out, are never
// preallocated here: they are names.
unsafe impl Sync for Options {}

/// The run that is under way, if any.
#[derive(Default)]
pub(crate) struct Current(Mutex<Option<Run>>);

struct Run {
    begun: Instant,
    options: Arc<Options>,
    is_ended: bool,
}

impl Current {
    /// A run with `options` begins.
    pub(crate) fn begin(&self, options: Arc<Options>) {
        *self.0.lock() = Some(Run { begun: Instant::now(), options, is_ended: false });
    }

    /// It is over; whether it was told to end, which its options remember.
    pub(crate) fn over(&self) -> bool {
        self.0.lock().take().is_some_and(|run| run.is_ended)
    }

    /// How long it has been under way.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.0.lock().as_ref().map(|run| run.begun.elapsed())
    }

    /// Tell it to end, if it has been under way for longer than `limit`; whether it was told now.
    pub(crate) fn end_after(&self, limit: Duration) -> bool {
        let mut run = self.0.lock();
        let Some(run) = run.as_mut().filter(|run| !run.is_ended && run.begun.elapsed() >= limit)
        else {
            return false;
        };
        run.is_ended = run.options.0.terminate().is_ok();
        run.is_ended
    }
}
