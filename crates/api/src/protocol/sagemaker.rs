//! What Amazon SageMaker asks of a container: `GET /ping` and `POST /invocations`.
//!
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html>

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::model;
use crate::payload::Payload;
use crate::predict;
use crate::problem::Problem;
use crate::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/ping", get(ping)).route("/invocations", post(invocations))
}

/// 503 until the model is loaded; asking starts the load.
async fn ping(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    if model::any_is_loaded(&state) {
        return Ok(Json(json!({ "status": "ok" })));
    }
    Err(Problem::ModelUnavailable)
}

/// The same as `POST /predict`; `application/x-image`, SageMaker's own word, means `image/*`.
async fn invocations(
    state: State<ApiState>,
    query: RawQuery,
    mut headers: HeaderMap,
    body: Payload,
) -> Result<Response, Problem> {
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/x-image") {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/*"));
    }
    predict::handle(state, query, headers, body).await
}
