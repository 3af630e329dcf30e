//! Who sent a request, until when it is to be answered, and the memory that is reserved for what it
//! brought.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glimpse_budget::{Client, Reserved};

/// The end of a request's time, as an extension of the request. What an answer can do without is not
/// waited for any longer.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

/// Goes with the pictures of a request to the thread that works on them, so that the memory of its
/// body is given back when that has ended, also when nobody waits for the answer any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    deadline: Option<Deadline>,
    _body: Option<Arc<Reserved>>,
}

impl Deadline {
    /// For a request that is given up after `limit`: a tenth is left for the answer.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self(Instant::now() + limit * 9 / 10)
    }
}

impl Caller {
    pub(crate) fn new(client: Client, deadline: Option<Deadline>, body: Reserved) -> Self {
        Self { client, deadline, _body: Some(Arc::new(body)) }
    }

    /// The same, with other memory.
    pub(crate) fn holding(&self, body: Reserved) -> Self {
        Self::new(self.client, self.deadline, body)
    }

    /// The result of `work`, or nothing where it does not begin or end in time.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let Some(Deadline(end)) = self.deadline else { return Some(work.await) };
        if Instant::now() >= end {
            return None;
        }
        tokio::time::timeout_at(end.into(), work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn nothing_is_waited_for_past_the_deadline() {
        let within = |limit| {
            let deadline = Some(Deadline::within(limit));
            Caller { deadline, ..Caller::default() }
        };
        assert_eq!(within(Duration::from_secs(60)).in_time(ready(1)).await, Some(1));
        assert_eq!(within(Duration::ZERO).in_time(ready(1)).await, None);
        assert_eq!(within(Duration::from_millis(10)).in_time(pending::<()>()).await, None);
        assert_eq!(Caller::default().in_time(ready(1)).await, Some(1));
    }
}
