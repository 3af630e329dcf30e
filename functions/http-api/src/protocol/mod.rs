//! Protocols that other servers speak, one module each.

pub(crate) mod open_inference;
pub(crate) mod tensorflow_serving;
