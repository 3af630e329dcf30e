//! The HTTP API against every row of its contract (`docs`: the tables of routes and of errors).
//!
//! In this process, with the real Router, the default bundle and the real ONNX Runtime.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod batch;
mod bodies;
mod close;
mod cold_start;
mod errors;
mod explain;
mod faults;
mod forms;
mod hostile_json;
mod methods;
mod mutated;
mod objects;
mod open_inference;
mod open_inference_binary;
mod openapi;
mod options;
mod page;
mod pages;
mod sagemaker;
mod scene;
mod scores;
mod several_labels;
mod tensorflow_serving;
mod triton;
