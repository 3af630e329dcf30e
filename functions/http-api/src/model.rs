//! `GET /healthz` and `GET /model`.

use axum::Json;
use axum::extract::State;
use glimpse_classifier::Manifest;
use serde_json::{Value, json};

use crate::inference;
use crate::problem::Problem;
use crate::state::ApiState;

/// Alive: the process answers. Whether it is ready is `GET /v2/health/ready`.
pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The bundle's description, loading the bundle where it is not loaded yet.
pub(crate) async fn describe(State(state): State<ApiState>) -> Result<Json<Manifest>, Problem> {
    Ok(Json(inference::classifier(&state).await?.manifest().clone()))
}
