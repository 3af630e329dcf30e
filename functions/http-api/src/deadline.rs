//! An answer before the invocation's time is up: then Lambda ends the process, and its answer says nothing.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use glimpse_api::{Deadline, within};
use glimpse_start::time_left;
use lambda_http::Context;

/// How long a request may take; an extension of it.
#[derive(Clone, Copy)]
pub struct TimeLeft(Duration);

impl TimeLeft {
    /// That of an invocation, if it has a deadline.
    pub fn of(context: &Context) -> Option<Self> {
        time_left(context).map(Self)
    }
}

/// A layer that answers in time.
pub async fn answer_in_time(mut request: Request, next: Next) -> Response {
    let Some(TimeLeft(limit)) = request.extensions().get().copied() else {
        return next.run(request).await;
    };
    request.extensions_mut().insert(Deadline::within(limit));
    within(limit, next.run(request)).await
}
