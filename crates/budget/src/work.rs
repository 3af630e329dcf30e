//! What somebody wants to do, and whether it costs far more than was sent for it.

use std::time::Duration;

use crate::client::Client;

/// Work that is dear and hardly cost its sender anything is charged so many times its time.
const DEAR_FACTOR: u32 = 8;
/// Dear is what takes longer than this …
const DEAR_TIME: Duration = Duration::from_millis(100);
/// … and more than this for each byte that was sent. A photograph takes 30 ns.
const DEAR_NANOSECONDS_PER_BYTE: u64 = 2_000;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Who.
    pub client: Client,
    /// Memory at its peak, without what the sender sent.
    pub bytes: u64,
    /// Estimate of its time on one processor.
    pub time: Duration,
    /// What the sender sent.
    pub sent_bytes: u64,
}

impl Work {
    /// Whether it costs far more than its sender paid: such work waits behind other work.
    pub(crate) fn is_dear(&self) -> bool {
        if self.client == Client::Own {
            return false;
        }
        let paid = self.sent_bytes.saturating_mul(DEAR_NANOSECONDS_PER_BYTE);
        self.time > DEAR_TIME && self.time > Duration::from_nanos(paid)
    }

    pub(crate) fn charge(&self, time: Duration) -> Duration {
        if self.is_dear() { time * DEAR_FACTOR } else { time }
    }
}
