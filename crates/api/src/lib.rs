//! The HTTP API: one [`router`] behind API Gateway, a function URL, a load balancer or a socket.
//!
//! A protocol is one small module: it parses a request into pictures and options, calls
//! [`inference`], and renders the answer. [`problem`] alone knows which status an error gets.

mod base64_text;
mod batching;
mod bounded;
mod config;
mod docs_page;
mod html;
mod inference;
mod members;
mod model;
mod object;
pub mod openapi;
mod page;
mod payload;
mod predict;
mod problem;
mod protocol;
mod results;
mod segment;
mod state;
mod telemetry;
mod uploads;
mod whole;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use http::{Method, StatusCode};

pub use batching::Batching;
pub use config::{ApiConfig, UploadsConfig, settings};
pub use problem::Problem;
pub use state::ApiState;
pub use telemetry::RequestId;

/// OPTIONS is answered with what a route allows (the Router adds the header); the rest is refused.
async fn other_method(method: Method) -> Result<StatusCode, Problem> {
    match method {
        Method::OPTIONS => Ok(StatusCode::NO_CONTENT),
        _ => Err(Problem::MethodNotAllowed),
    }
}

/// Every route of the API.
pub fn router(state: ApiState) -> Router {
    observed(routes(state))
}

/// The routes alone, for a server that puts layers of its own between them and [`observed`].
pub fn routes(state: ApiState) -> Router {
    Router::new()
        .route("/predict", post(predict::handle))
        .route("/uploads", post(uploads::handle))
        .route("/results/{id}", get(results::handle))
        .route("/healthz", get(model::healthz))
        .route("/model", get(model::describe))
        .merge(protocol::tensorflow_serving::routes())
        .merge(protocol::open_inference::routes())
        .merge(protocol::sagemaker::routes())
        .route("/openapi.json", get(docs_page::openapi))
        .route("/docs", get(docs_page::docs))
        .route("/", get(page::index))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(other_method)
        .with_state(state)
}

/// `router` with a log line, an id and the final form of problems for every request. Whatever else
/// a server adds goes inside: then what it refuses with a [`Problem`] is answered like all others.
pub fn observed(router: Router) -> Router {
    router.layer(middleware::from_fn(telemetry::observe))
}
