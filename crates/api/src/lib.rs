//! The HTTP API: one [`router`] behind API Gateway, a function URL, a load balancer or a socket.
//!
//! A protocol is one small module: it parses a request into pictures and options, calls
//! `inference`, and renders the answer. Only `problem` knows which status an error gets; the
//! router of each protocol knows how an error is written.

mod caller;
mod config;
mod deadline;
mod description;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inference;
mod observe;
pub mod openapi;
mod pages;
mod predict;
mod problem;
mod protocol;
mod request_id;
mod s3_object;
mod service;
mod state;
mod uploads;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::post;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};

pub use caller::Deadline;
pub use config::{ApiConfig, UploadsConfig, settings};
pub use deadline::within;
pub use extract::body::discard;
pub use problem::Problem;
pub use request_id::RequestId;
pub use state::ApiState;

use problem::{as_error_message, as_problem_details};

/// Every route of the API.
#[allow(clippy::needless_pass_by_value)] // A router owns its state.
pub fn router(state: ApiState) -> Router {
    guarded_router(&state, Router::new(), |routes| routes)
}

/// The API with a server's `own` routes beside it. `guard` puts layers before all of them; a
/// [`Problem`] that such a layer returns is written in the form of the protocol that was asked.
pub fn guarded_router(state: &ApiState, own: Router, guard: impl Fn(Router) -> Router) -> Router {
    let ready = |routes: Router<ApiState>| {
        routes.method_not_allowed_fallback(other_method).with_state(state.clone())
    };
    let native = Router::new()
        .route("/predict", post(predict::predict))
        .merge(uploads::routes())
        .merge(service::routes())
        .merge(pages::routes())
        .merge(protocol::sagemaker::routes())
        .fallback(not_found);
    let native = guard(ready(native).merge(own)).layer(from_fn(as_problem_details));
    let tensorflow_serving = guard(ready(protocol::tensorflow_serving::routes()));
    let open_inference = guard(ready(protocol::open_inference::routes()));
    native
        .merge(tensorflow_serving.layer(from_fn(as_error_message)))
        .merge(open_inference.layer(from_fn(as_error_message)))
        .layer(map_response(not_stored))
        .layer(from_fn(observe::observe))
}

/// Answers belong to whoever sent the image: no cache on the way may keep them.
async fn not_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The health endpoints alone, for a listener of their own that answers while the other is full.
pub fn health_router(state: &ApiState) -> Router {
    let native = service::health().merge(protocol::sagemaker::health()).fallback(not_found);
    let native = native.with_state(state.clone()).layer(from_fn(as_problem_details));
    let open_inference = protocol::open_inference::health().with_state(state.clone());
    native.merge(open_inference.layer(from_fn(as_error_message)))
}

async fn not_found() -> Problem {
    Problem::NotFound
}

/// OPTIONS is answered with what a route allows (the Router adds the header); the rest is refused.
async fn other_method(method: Method) -> Result<StatusCode, Problem> {
    match method {
        Method::OPTIONS => Ok(StatusCode::NO_CONTENT),
        _ => Err(Problem::MethodNotAllowed),
    }
}
