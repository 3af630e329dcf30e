//! Memory and processors as budgets.
//!
//! [`Admission`] lets work begin when its memory and a processor are free, fairly between clients.
//! [`Runs`] runs together what is prepared, by the same account. [`Pool`] counts the bytes of request
//! bodies. [`Share`] says how large the budgets are on this machine.

mod admission;
mod client;
mod function;
mod lambda;
mod line;
mod memory;
mod pace;
mod pool;
mod runs;
mod share;
mod work;

pub use admission::{Admission, Permit, Processor};
pub use client::Client;
pub use function::{read_budget, read_decoding_time, read_within};
pub use lambda::max_concurrency;
pub use memory::{limit, peak, resident};
pub use pace::Pace;
pub use pool::{Pool, Reserved};
pub use runs::{Lead, Runs};
pub use share::{Share, settings};
pub use work::Work;

use std::fmt;

/// Work that needs more than the whole budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverBudget {
    /// All that there is, in bytes.
    pub budget: u64,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it needs more than the budget of {} bytes", self.budget)
    }
}

impl std::error::Error for OverBudget {}
