//! An answer in time.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The answer, or 503 `timed_out` where it takes longer than `limit`. What a thread has begun goes on to
/// its end, and holds its memory until then.
pub async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(limit, answer).await;
    answer.unwrap_or_else(|_| Problem::TimedOut { limit }.into_response())
}
