//! `GET /healthz` and `GET /model`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use crate::description::Description;
use crate::inference;
use crate::openapi::DescriptionProblems;
use crate::problem::Problem;
use crate::state::ApiState;

/// In the `OpenAPI` document.
const TAG: &str = "service";

/// What a load balancer asks.
pub(crate) fn health() -> Router<ApiState> {
    Router::new().route("/healthz", get(healthz))
}

pub(crate) fn routes() -> Router<ApiState> {
    health().route("/model", get(describe))
}

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

impl Health {
    pub(crate) const OK: Self = Self { status: "ok" };
}

/// The process answers
///
/// Whether the model is loaded is `GET /v2/health/ready`.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = TAG,
    responses((status = 200, description = "Alive", body = Health))
)]
async fn healthz() -> Json<Health> {
    Json(Health::OK)
}

/// The bundle's description, and what the model can do
///
/// Loads the bundle where it is not loaded yet.
#[utoipa::path(
    get,
    path = "/model",
    operation_id = "model",
    tag = TAG,
    responses((status = 200, description = "The model", body = Description), DescriptionProblems)
)]
async fn describe(State(state): State<ApiState>) -> Result<Json<Description>, Problem> {
    Ok(Json(Description::of(&*inference::classifier(&state).await?)))
}
