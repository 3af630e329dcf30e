//! One invocation of the function.

use std::time::{Duration, Instant};

use glimpse_start::time_left;
use lambda_runtime::Context;

/// What an invocation is called and how long it may take.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub(crate) request_id: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) deadline: Instant,
}

impl Invocation {
    /// An invocation that ends after `time`.
    #[must_use]
    pub fn new(request_id: &str, time: Duration) -> Self {
        let deadline = Instant::now() + time;
        Self { request_id: request_id.to_owned(), trace_id: None, deadline }
    }
}

impl From<&Context> for Invocation {
    fn from(context: &Context) -> Self {
        let time = time_left(context).unwrap_or_default();
        let trace_id = context.xray_trace_id.clone();
        Self { trace_id, ..Self::new(&context.request_id, time) }
    }
}
