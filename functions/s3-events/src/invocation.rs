//! One invocation of the function.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::Context;

/// Left of an invocation's time for its answer and its log lines.
const MARGIN: Duration = Duration::from_millis(1500);

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
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = context.deadline().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = left.saturating_sub(now).saturating_sub(MARGIN);
        Self { trace_id: context.xray_trace_id.clone(), ..Self::new(&context.request_id, left) }
    }
}
