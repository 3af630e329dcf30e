//! Who sent a request, and the memory that is reserved for what it brought.

use std::sync::Arc;

use glimpse_budget::{Client, Reserved};

/// Goes with the pictures of a request to the thread that works on them, so that the memory of its
/// body is given back when that has ended, also when nobody waits for the answer any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    _body: Option<Arc<Reserved>>,
}

impl Caller {
    pub(crate) fn new(client: Client, body: Reserved) -> Self {
        Self { client, _body: Some(Arc::new(body)) }
    }
}
