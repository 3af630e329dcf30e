//! What every program does at its start.
//!
//! A program prepares its process first ([`process`]). The Lambda functions do the rest here too, and
//! in one order ([`function()`]): logs, metrics, settings, then the model's load and the service.

#[cfg(feature = "function")]
mod function;
#[cfg(feature = "function")]
mod heap;
pub mod keep_warm;
#[cfg(feature = "function")]
mod lambda;
pub mod process;
#[cfg(feature = "function")]
mod snapshot;

#[cfg(feature = "function")]
pub use function::{Parts, function};
#[cfg(feature = "function")]
pub use lambda::time_left;
#[cfg(feature = "function")]
pub use snapshot::Snapshot;
