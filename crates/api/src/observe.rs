//! One log line, one request id and the metrics of each request.
//!
//! Neither headers nor any part of a body are logged: pictures are private.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use glimpse_telemetry::{emf, measure, ms};
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::problem::Code;
use crate::request_id::RequestId;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static COLD: AtomicBool = AtomicBool::new(true);

/// Run the request under its id, log it, and name the id in the answer.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let trace_id = trace_id(&request);
    let request_id = id.as_str();
    emf::name_request(request_id);
    let cold_start = COLD.swap(false, Ordering::Relaxed);
    // What goes wrong on the way is logged under the same id.
    let span = tracing::error_span!("request", request_id);
    let mut response = next.run(request).instrument(span).await;
    let code = response.extensions().get::<Code>().map(|code| code.0);
    tracing::info!(
        request_id,
        trace_id,
        %method,
        path,
        status = response.status().as_u16(),
        code,
        cold_start,
        request_ms = ms(started.elapsed()),
        "request"
    );
    if cold_start {
        measure::cold_start();
    }
    if let Some(code) = code {
        measure::error(code);
    }
    measure::request(started.elapsed());
    emf::flush();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    response
}

/// X-Ray's trace that the request belongs to; the AWS SDK passes it on to S3 by itself.
fn trace_id(request: &Request) -> Option<String> {
    let header = request.headers().get("x-amzn-trace-id")?.to_str().ok()?;
    Some(header.chars().take(200).collect())
}
