//! How each protocol writes an error, as a layer on the protocol's router.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, RETRY_AFTER};
use crate::request_id::RequestId;

/// The stable code of the error in a response, for the log and the metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code(pub(crate) &'static str);

/// An error as RFC 9457 problem details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// Stable, for programs.
    code: &'static str,
    /// For people: what was wrong, what was expected, what to do.
    detail: String,
    /// Quote it when the error is the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// An error as TensorFlow Serving and the Open Inference Protocol write it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorMessage {
    error: String,
}

impl Details {
    /// Of one picture of a batch: the answer as a whole names the request.
    pub(crate) fn of(problem: &Problem) -> Self {
        let (status, code, title) = problem.row();
        let (r#type, status) = ("about:blank", status.as_u16());
        Self { r#type, title, status, code, detail: problem.to_string(), request_id: None }
    }

    /// Of a whole request, whose id helps to find the reason of a server's error in the log.
    fn of_request(problem: &Problem, id: Option<&RequestId>) -> Self {
        let quoted = id.filter(|_| problem.status().is_server_error());
        Self { request_id: quoted.map(RequestId::to_string), ..Self::of(problem) }
    }
}

/// Layer: errors as `application/problem+json`.
pub(crate) async fn as_problem_details(request: Request, next: Next) -> Response {
    render(request, next, |problem, id| {
        let media_type = HeaderValue::from_static("application/problem+json");
        let details = Json(Details::of_request(problem, id));
        ([(header::CONTENT_TYPE, media_type)], details).into_response()
    })
    .await
}

/// Layer: errors as `{"error": "…"}`.
pub(crate) async fn as_error_message(request: Request, next: Next) -> Response {
    render(request, next, |problem, _| {
        Json(ErrorMessage { error: problem.to_string() }).into_response()
    })
    .await
}

/// Run the request; `write` gives the body of its problem, if it has one.
///
/// A panic, which nothing should cause, is answered as `internal`, and the process lives on.
async fn render(
    request: Request,
    next: Next,
    write: impl FnOnce(&Problem, Option<&RequestId>) -> Response,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| after_panic(&*panic));
    let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() else {
        return response;
    };
    let (parts, body) = write(&problem, id.as_ref()).into_parts();
    // A route may have counted the empty body that this one replaces.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().extend(parts.headers);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    *response.body_mut() = body;
    response.extensions_mut().insert(Code(problem.code()));
    response
}

fn after_panic(panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = message.unwrap_or("unknown"), "panic");
    Problem::Internal.into_response()
}
