//! The one model of this server, as protocols for many models ask for it.

use std::sync::Arc;
use std::time::Duration;

use glimpse_classifier::Classifier;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::inference;
use crate::problem::Problem;
use crate::state::ApiState;

/// A path that names a model.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ModelPath {
    /// The model's name, as `GET /model` gives it
    pub(super) name: String,
}

/// A path that names a model and its version.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct VersionPath {
    /// The model's name, as `GET /model` gives it
    pub(super) name: String,
    /// The model's version, as `GET /model` gives it
    pub(super) version: String,
}

/// The model, if it has this name and, where one is asked for, this version.
///
/// Waits for the load on a cold start: only the bundle knows what the model is called.
pub(super) async fn named(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<Arc<Classifier>, Problem> {
    let model = inference::classifier(state).await?;
    check(&model, name, version)?;
    Ok(model)
}

/// Whether the model has this name and version, waiting for the load.
pub(super) async fn exists(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<bool, Problem> {
    match named(state, name, version).await {
        Ok(_) => Ok(true),
        Err(Problem::UnknownModel { .. }) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// A run that takes so long does not end: the model is not ready.
const STUCK: Duration = Duration::from_secs(120);

/// Whether the model of this name is loaded; where none is, asking starts the load.
pub(super) fn is_loaded(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<bool, Problem> {
    match state.store.ready() {
        Some(model) => check(&model, name, version).map(|()| answers(&model)),
        None => {
            state.store.warm();
            Ok(false)
        }
    }
}

/// Whether any model is loaded; where none is, asking starts the load.
pub(super) fn any_is_loaded(state: &ApiState) -> bool {
    match state.store.ready() {
        Some(model) => answers(&model),
        None => {
            state.store.warm();
            false
        }
    }
}

fn answers(model: &Classifier) -> bool {
    model.run_age().is_none_or(|age| age < STUCK)
}

fn check(model: &Classifier, name: &str, version: Option<&str>) -> Result<(), Problem> {
    let manifest = model.manifest();
    if name == manifest.name && version.is_none_or(|version| version == manifest.version) {
        return Ok(());
    }
    Err(Problem::UnknownModel { name: manifest.name.clone(), version: manifest.version.clone() })
}
