//! The one model that there is, as protocols for many models ask for it.

use std::sync::Arc;

use glimpse_classifier::Classifier;

use crate::inference;
use crate::problem::Problem;
use crate::state::ApiState;

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

/// Whether the model of this name is loaded; where none is, asking starts the load.
pub(super) fn is_loaded(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<bool, Problem> {
    match state.store.ready() {
        Some(model) => check(&model, name, version).map(|()| true),
        None => {
            state.store.warm();
            Ok(false)
        }
    }
}

/// Whether any model is loaded; where none is, asking starts the load.
pub(super) fn any_is_loaded(state: &ApiState) -> bool {
    let loaded = state.store.ready().is_some();
    if !loaded {
        state.store.warm();
    }
    loaded
}

fn check(model: &Classifier, name: &str, version: Option<&str>) -> Result<(), Problem> {
    let manifest = model.manifest();
    if name == manifest.name && version.is_none_or(|version| version == manifest.version) {
        return Ok(());
    }
    Err(Problem::UnknownModel { name: manifest.name.clone(), version: manifest.version.clone() })
}
