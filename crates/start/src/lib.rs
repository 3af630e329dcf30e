//! What every program does at its start.
//!
//! A program prepares its process first ([`process`]). The Lambda functions do the rest here too, and
//! in one order ([`function()`]): logs, metrics, settings, then the model's load and the service.

mod function;
pub mod keep_warm;
mod lambda;
pub mod process;
#[cfg(feature = "snapshot")]
mod snapshot;

pub use function::function;
#[cfg(feature = "snapshot")]
pub use snapshot::Snapshot;
