//! One log line a request, a request id, and a problem's final form.
//!
//! Neither headers nor any part of a body are logged: pictures are private.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use glimpse_telemetry::{emf, measure, ms};
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument as _;

use crate::problem::{ErrorForm, Problem};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static COLD: AtomicBool = AtomicBool::new(true);

/// Names one request in the answer and in the log: Lambda's own id, or one made here.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// An id that the platform gave.
    #[must_use]
    pub fn given(id: &str) -> Self {
        Self(id.into())
    }

    /// Time and a counter: unique in a process, and never a secret.
    fn made() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        Self(format!("{:x}-{number:x}", since.as_micros()).into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Run the request; log it; give problems their body and every answer its request id.
///
/// A panic, which nothing should cause, is answered as `internal`, and the process lives on.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::made);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let trace_id = trace_id(&request);
    emf::name_request(&id.0);
    let cold_start = COLD.swap(false, Ordering::Relaxed);
    // What goes wrong on the way is logged under the same id.
    let span = tracing::error_span!("request", request_id = %id);
    let mut response = AssertUnwindSafe(next.run(request).instrument(span))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| after_panic(&*panic, &id));
    let problem = response.extensions_mut().remove::<Arc<Problem>>();
    if let Some(problem) = &problem {
        let rendered = problem.respond(&id, ErrorForm::of(&path));
        let (parts, body) = rendered.into_parts();
        // A route may have counted the body that goes.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    let request_id: &str = &id.0;
    tracing::info!(
        request_id,
        trace_id,
        %method,
        path,
        status = response.status().as_u16(),
        code = problem.as_ref().map(|problem| problem.code()),
        cold_start,
        request_ms = ms(started.elapsed()),
        "request"
    );
    if cold_start {
        measure::cold_start();
    }
    if let Some(problem) = &problem {
        measure::error(problem.code());
    }
    measure::request(started.elapsed());
    emf::flush();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    response
}

/// X-Ray's name of the trace that the request belongs to; the AWS SDK passes it on to S3 by itself.
fn trace_id(request: &Request) -> Option<String> {
    let header = request.headers().get("x-amzn-trace-id")?.to_str().ok()?;
    Some(header.chars().take(200).collect())
}

fn after_panic(panic: &(dyn Any + Send), id: &RequestId) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(request_id = %id, panic = message.unwrap_or("unknown"), "panic");
    Problem::Internal.into_response()
}
