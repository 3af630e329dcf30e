//! TensorFlow Serving's REST API: prediction in row and column format, status and metadata.
//!
//! <https://www.tensorflow.org/tfx/serving/api_rest>. The one signature has an input `image`,
//! encoded pictures as `{"b64": …}`, and for each picture the outputs `label`, `index` and `score`.

mod answer;
mod request;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use axum::{Extension, Json, Router};
use glimpse_classifier::Classifier;
use tower::ServiceExt as _;

use super::model::{self, ModelPath, VersionPath};
use crate::caller::Caller;
use crate::extract::body::Payload;
use crate::extract::segment::Segment;
use crate::inference;
use crate::openapi::{ModelErrors, NamedErrors, PIXEL};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::{not_found, other_method};

use answer::{Format, Metadata, Predicted, Status};
use request::{Body, Classify};
pub(crate) use request::{constrain_schemas, parse};

/// In the `OpenAPI` document.
const TAG: &str = "TensorFlow Serving";

/// The one verb.
const PREDICT: &str = "predict";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/models/{call}", any(status_or_predict))
        .route("/v1/models/{name}/versions/{call}", any(version_status_or_predict))
        .route("/v1/models/{name}/metadata", get(metadata))
        .route("/v1/models/{name}/versions/{version}/metadata", get(version_metadata))
        // Every other path here is refused in the form of this protocol.
        .route("/v1", any(not_found))
        .route("/v1/", any(not_found))
        .route("/v1/{*rest}", any(not_found))
}

/// `{name}` and `{name}:predict` are one segment to axum, but two resources with methods of their own.
async fn status_or_predict(
    State(state): State<ApiState>,
    Segment(call): Segment,
    request: Request,
) -> Result<Response, Problem> {
    let (name, verb) = match split(&call) {
        (_, Some(verb)) if verb != PREDICT && model::exists(&state, &call, None).await? => {
            (&*call, None)
        }
        named => named,
    };
    let methods = by_verb(verb, get(status), post(predict))?;
    Ok(call_with(ModelPath { name: name.to_owned() }, methods, state, request).await)
}

async fn version_status_or_predict(
    State(state): State<ApiState>,
    Segment((name, call)): Segment<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (version, verb) = match split(&call) {
        (_, Some(verb)) if verb != PREDICT && model::exists(&state, &name, Some(&call)).await? => {
            (&*call, None)
        }
        versioned => versioned,
    };
    let methods = by_verb(verb, get(version_status), post(version_predict))?;
    Ok(call_with(VersionPath { name, version: version.to_owned() }, methods, state, request).await)
}

/// Name or version, and verb. The last colon counts: a name may have colons of its own.
fn split(call: &str) -> (&str, Option<&str>) {
    call.rsplit_once(':').map_or((call, None), |(name, verb)| (name, Some(verb)))
}

/// A path's segment cannot have a suffix after a capture yet (axum pull request 3702 adds that).
fn by_verb(
    verb: Option<&str>,
    status: MethodRouter<ApiState>,
    predict: MethodRouter<ApiState>,
) -> Result<MethodRouter<ApiState>, Problem> {
    match verb {
        None => Ok(status),
        Some(PREDICT) => Ok(predict),
        Some(_) => Err(Problem::NotFound),
    }
}

/// Call the handler for the request's method; it finds what the path names as an extension.
async fn call_with(
    path: impl Clone + Send + Sync + 'static,
    methods: MethodRouter<ApiState>,
    state: ApiState,
    mut request: Request,
) -> Response {
    request.extensions_mut().insert(path);
    let answered = methods.fallback(other_method).with_state(state).oneshot(request).await;
    answered.unwrap_or_else(|never| match never {})
}

/// The model's status, loading it where it is not loaded yet
#[utoipa::path(
    get,
    path = "/v1/models/{name}",
    operation_id = "tensorflowServingStatus",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "Available", body = Status), ModelErrors)
)]
async fn status(
    State(state): State<ApiState>,
    Extension(path): Extension<ModelPath>,
) -> Result<Json<Status>, Problem> {
    let model = model::named(&state, &path.name, None).await?;
    Ok(Json(Status::available(&model.manifest().version)))
}

/// The model's status, loading it where it is not loaded yet
#[utoipa::path(
    get,
    path = "/v1/models/{name}/versions/{version}",
    operation_id = "tensorflowServingVersionStatus",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "Available", body = Status), ModelErrors)
)]
async fn version_status(
    State(state): State<ApiState>,
    Extension(path): Extension<VersionPath>,
) -> Result<Json<Status>, Problem> {
    let model = model::named(&state, &path.name, Some(&path.version)).await?;
    Ok(Json(Status::available(&model.manifest().version)))
}

/// The model's signature
#[utoipa::path(
    get,
    path = "/v1/models/{name}/metadata",
    operation_id = "tensorflowServingMetadata",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "The signature", body = Metadata), ModelErrors)
)]
async fn metadata(
    State(state): State<ApiState>,
    Segment(path): Segment<ModelPath>,
) -> Result<Json<Metadata>, Problem> {
    let model = model::named(&state, &path.name, None).await?;
    Ok(Json(Metadata::of(model.manifest())))
}

/// The model's signature
#[utoipa::path(
    get,
    path = "/v1/models/{name}/versions/{version}/metadata",
    operation_id = "tensorflowServingVersionMetadata",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "The signature", body = Metadata), ModelErrors)
)]
async fn version_metadata(
    State(state): State<ApiState>,
    Segment(path): Segment<VersionPath>,
) -> Result<Json<Metadata>, Problem> {
    let model = model::named(&state, &path.name, Some(&path.version)).await?;
    Ok(Json(Metadata::of(model.manifest())))
}

/// Classify pictures in row or column format
#[utoipa::path(
    post,
    path = "/v1/models/{name}:predict",
    operation_id = "tensorflowServingPredict",
    tag = TAG,
    params(ModelPath),
    request_body(content((
        Body<'static> = "application/json",
        examples(
            ("rows" = (value = json!({ "instances": [{ "b64": PIXEL }] }))),
            ("named" = (value = json!({ "instances": [{ "image": { "b64": PIXEL } }] }))),
            ("column" = (value = json!({ "inputs": { "image": [{ "b64": PIXEL }] } })))
        )
    ))),
    responses((status = 200, description = "One prediction per picture", body = Predicted), NamedErrors)
)]
async fn predict(
    State(state): State<ApiState>,
    Extension(path): Extension<ModelPath>,
    Payload(body, caller): Payload,
) -> Result<Json<Predicted>, Problem> {
    let model = model::named(&state, &path.name, None).await?;
    classify(&state, &model, (&body, &caller)).await
}

/// Classify pictures in row or column format
#[utoipa::path(
    post,
    path = "/v1/models/{name}/versions/{version}:predict",
    operation_id = "tensorflowServingVersionPredict",
    tag = TAG,
    params(VersionPath),
    request_body(content((
        Body<'static> = "application/json",
        examples(
            ("rows" = (value = json!({ "instances": [{ "b64": PIXEL }] }))),
            ("named" = (value = json!({ "instances": [{ "image": { "b64": PIXEL } }] }))),
            ("column" = (value = json!({ "inputs": { "image": [{ "b64": PIXEL }] } })))
        )
    ))),
    responses((status = 200, description = "One prediction per picture", body = Predicted), NamedErrors)
)]
async fn version_predict(
    State(state): State<ApiState>,
    Extension(path): Extension<VersionPath>,
    Payload(body, caller): Payload,
) -> Result<Json<Predicted>, Problem> {
    let model = model::named(&state, &path.name, Some(&path.version)).await?;
    classify(&state, &model, (&body, &caller)).await
}

/// One prediction per picture, in order; one bad picture fails the request, as in TensorFlow Serving.
async fn classify(
    state: &ApiState,
    model: &Arc<Classifier>,
    (body, caller): (&[u8], &Caller),
) -> Result<Json<Predicted>, Problem> {
    let Classify { format, pictures, keys, options } = parse(body, state.config.max_batch)?;
    let results = inference::many(state, model, pictures, options, caller).await?;
    let predictions = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Json(match format {
        Format::Rows => {
            let keys = keys.into_iter().map(|key| key.map(ToOwned::to_owned));
            Predicted::rows(predictions, keys.collect())
        }
        Format::Columns => Predicted::columns(predictions),
    }))
}
