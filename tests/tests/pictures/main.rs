//! Pictures into the engine: the same numbers as Pillow and torchvision, whatever the format, and
//! no bytes that bring it down.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod formats;
mod heif;
mod jpeg;
mod model_bytes;
mod mutated;
mod parity;
mod prepared;
mod provider;
mod reduced;
mod together;
