//! One log line, one request id and the metrics of each request.
//!
//! Neither headers nor any part of a body are logged: pictures are private. Nor is the id of an
//! upload, which is all that it takes to read its result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use glimpse_telemetry::{emf, measure, ms};
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::problem::Code;
use crate::request_id::RequestId;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static COLD: AtomicBool = AtomicBool::new(true);

/// Run the request under its id, log it, and name the id in the answer.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    let (method, path) = (request.method().clone(), logged_path(request.uri().path()));
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

/// The path without ids.
fn logged_path(path: &str) -> String {
    let hidden = |part| if Uuid::try_parse(part).is_ok() { "{id}" } else { part };
    path.split('/').map(hidden).collect::<Vec<_>>().join("/")
}

/// X-Ray's trace that the request belongs to; the AWS SDK passes it on to S3 by itself.
fn trace_id(request: &Request) -> Option<String> {
    let header = request.headers().get("x-amzn-trace-id")?.to_str().ok()?;
    Some(header.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_id_is_not_logged() {
        let id = "019a0000-0000-7abc-8def-0123456789ab";
        assert_eq!(logged_path(&format!("/results/{id}")), "/results/{id}");
        assert_eq!(logged_path(&format!("/prod/results/{id}/")), "/prod/results/{id}/");
        assert_eq!(logged_path("/v1/models/resnet50:predict"), "/v1/models/resnet50:predict");
    }
}
