//! `GET /healthz` and `GET /model`.

use axum::Json;
use axum::extract::State;
use glimpse_classifier::{Classifier, Manifest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::inference;
use crate::problem::Problem;
use crate::state::ApiState;

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// `bundle.json`, and what the model can do besides labels.
#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
pub(crate) struct Description {
    #[serde(flatten)]
    manifest: Manifest,
    /// Whether `explain` may be asked for.
    explains: bool,
    /// Length of the vector that `embedding` gives; null where it may not be asked for.
    embedding_dimension: Option<usize>,
}

impl Description {
    fn of(model: &Classifier) -> Self {
        Self {
            manifest: model.manifest().clone(),
            explains: model.explains(),
            embedding_dimension: model.embedding_dimension(),
        }
    }
}

/// Alive: the process answers. Whether it is ready is `GET /v2/health/ready`.
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The bundle's description, loading the bundle where it is not loaded yet.
pub(crate) async fn describe(State(state): State<ApiState>) -> Result<Json<Description>, Problem> {
    Ok(Json(Description::of(&*inference::classifier(&state).await?)))
}
