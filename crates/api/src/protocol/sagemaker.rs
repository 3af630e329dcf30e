//! What Amazon SageMaker asks of a container: `GET /ping` and `POST /invocations`.
//!
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html>

use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;

use super::model;
use crate::extract::body::Payload;
use crate::openapi::{PIXEL, PictureProblems, UnavailableProblem};
use crate::predict::{
    self, ANSWERED, Answered, Body, FileForm, PictureBytes, QueryParameters, TextForm,
};
use crate::problem::Problem;
use crate::service::Health;
use crate::state::ApiState;

/// In the `OpenAPI` document.
const TAG: &str = "SageMaker";

/// What a load balancer asks.
pub(crate) fn health() -> Router<ApiState> {
    Router::new().route("/ping", get(ping))
}

pub(crate) fn routes() -> Router<ApiState> {
    health().route("/invocations", post(invocations))
}

/// Whether the model is loaded; asking starts the load
#[utoipa::path(
    get,
    path = "/ping",
    operation_id = "ping",
    tag = TAG,
    responses((status = 200, description = "Ready", body = Health), UnavailableProblem)
)]
async fn ping(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    if model::any_is_loaded(&state) {
        return Ok(Json(Health::OK));
    }
    Err(Problem::ModelUnavailable)
}

/// The same as /predict
///
/// `application/x-image` is SageMaker's name for a picture of any format.
#[utoipa::path(
    post,
    path = "/invocations",
    operation_id = "invocations",
    tag = TAG,
    params(QueryParameters),
    request_body(content(
        (Body<'static> = "application/json", examples(
            ("one" = (summary = "One picture", value = json!({ "image_data": PIXEL, "top_k": 3 }))),
            ("batch" = (summary = "A batch", value = json!({ "images": [PIXEL, PIXEL] })))
        )),
        (inline(PictureBytes) = "image/*"),
        (inline(PictureBytes) = "application/x-image"),
        (inline(PictureBytes) = "application/octet-stream"),
        (FileForm = "multipart/form-data"),
        (TextForm = "application/x-www-form-urlencoded")
    )),
    responses((status = 200, description = ANSWERED, body = inline(Answered)), PictureProblems)
)]
async fn invocations(
    state: State<ApiState>,
    query: RawQuery,
    headers: HeaderMap,
    body: Payload,
) -> Result<Json<Answered>, Problem> {
    predict::predict(state, query, headers, body).await
}
