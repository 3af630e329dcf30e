//! Getting one object out of S3, fast and whole.

mod content_range;
mod ranged;

pub(crate) use ranged::{FetchError, Object};
