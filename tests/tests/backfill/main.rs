//! The back-fill of docs/backfill.md: manifest, job, report, another job for what failed. S3 Batch
//! Operations is played here; the function, the S3 server and the manifest's script are the real ones.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod batch_operations;
mod jobs;
mod manifest;
mod stack;
