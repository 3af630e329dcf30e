//! Protocols that other servers made common, each a small module: parse, call, render.

mod model;
pub(crate) mod open_inference;
pub(crate) mod sagemaker;
pub(crate) mod tensorflow_serving;
