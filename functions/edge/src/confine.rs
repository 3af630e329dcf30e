//! Memory that the system refuses instead of ending the process for it.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Stacks and heaps count in full although little of them is used.
const UNUSED: u64 = 256 << 20;

/// Until it is dropped, an allocation fails that would take more than is allowed.
pub struct Confined {
    before: Rlimit,
}

impl Confined {
    /// Allow this process `bytes` in all.
    pub fn to(bytes: u64) -> Self {
        let before = getrlimit(Resource::Data);
        let most = bytes.saturating_add(UNUSED);
        let most = before.current.map_or(most, |current| most.min(current));
        set(Rlimit { current: Some(most), maximum: before.maximum });
        Self { before }
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        set(self.before);
    }
}

fn set(limit: Rlimit) {
    if let Err(error) = setrlimit(Resource::Data, limit) {
        tracing::debug!(%error, "memory cannot be limited");
    }
}

/// Where memory runs out nevertheless, the system is to end this process before any other.
pub fn go_first() {
    // proc(5)
    if let Err(error) = fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::debug!(%error, "the order of ends cannot be set");
    }
}
