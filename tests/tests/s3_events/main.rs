//! S3 events from end to end: real pictures in a real S3 server, the real classifier, result objects.
//!
//! `triggers` and `metrics` speak to the function's binary under the runtime interface emulator; the
//! others call the same handler in this process, which is how a thousand objects take seconds.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod close;
mod concurrent;
mod event;
mod flood;
mod forms;
mod function;
mod hostile;
mod metrics;
mod order;
mod outcomes;
mod queue;
mod time;
mod triggers;
mod uploads;
mod world;
