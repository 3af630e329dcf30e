//! The function's binary under AWS's Lambda runtime interface emulator, its model in S3; what the emulator
//! lacks (`snapshot`, `concurrent`) is tested with a runtime API of the tests.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod concurrent;
mod faults;
mod function;
mod hidden;
mod memory;
mod metrics;
mod snapshot;
mod triggers;
