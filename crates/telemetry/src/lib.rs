//! What every program reports to its operator: JSON log lines, and metrics under one set of names.
//!
//! A binary chooses where the metrics go: on Lambda [`emf`] writes them as log lines that CloudWatch
//! reads; elsewhere any recorder of the `metrics` facade takes them. Without one they cost nothing.

pub mod emf;
pub mod logs;
pub mod measure;
mod millis;

pub use millis::ms;
