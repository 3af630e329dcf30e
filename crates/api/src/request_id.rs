//! The name of one request, in its answer and in the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Lambda's own id, or one made here. A server that has an id puts it into the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// An id that the platform assigned.
    #[must_use]
    pub fn from_platform(id: &str) -> Self {
        Self(id.into())
    }

    /// Time and a counter: unique in a process, and never a secret.
    pub(crate) fn generate() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        Self(format!("{:x}-{number:x}", since.as_micros()).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
