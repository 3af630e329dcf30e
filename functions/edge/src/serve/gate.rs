//! Checks before the Router: the token, a place in the queue, a deadline.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use glimpse_api::Problem;
use http::{HeaderValue, Method, header};
use metrics::gauge;
use tokio::sync::Semaphore;

use super::metrics::IN_FLIGHT;
use super::token::Token;

/// Need no token. The health endpoints, for load balancers and supervisors, reveal only health; the
/// page holds no secret and asks its user for the token.
const OPEN: [&str; 5] = ["/", "/healthz", "/v2/health/live", "/v2/health/ready", "/ping"];

/// Shared by all requests.
pub struct Gate {
    token: Option<Token>,
    places: Semaphore,
    timeout: Duration,
}

impl Gate {
    /// `places`: requests with a body that may be waiting or worked on.
    pub fn new(token: Option<Token>, places: u16, timeout: Duration) -> Self {
        Self { token, places: Semaphore::new(places.into()), timeout }
    }

    fn admits(&self, request: &Request) -> bool {
        let given = request.headers().get(header::AUTHORIZATION);
        match &self.token {
            Some(token) => OPEN.contains(&request.uri().path()) || token.is(given),
            None => true,
        }
    }
}

/// Let `request` through to the Router, or refuse it.
pub async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.admits(&request) {
        let scheme = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        return (scheme, Problem::Unauthorized).into_response();
    }
    // Only work takes a place in the queue: health and metrics answer while it is full.
    if request.method() != Method::POST {
        return within(gate.timeout, next.run(request)).await;
    }
    let Ok(_place) = gate.places.try_acquire() else {
        return Problem::Overloaded.into_response();
    };
    let _counted = InFlight::count();
    within(gate.timeout, next.run(request)).await
}

async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(limit, answer).await;
    answer.unwrap_or_else(|_| Problem::TimedOut { limit }.into_response())
}

/// Counts a request until it is dropped: answered, timed out, or its client gone.
struct InFlight;

impl InFlight {
    fn count() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}
