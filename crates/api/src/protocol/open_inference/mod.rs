//! The Open Inference Protocol v2 over REST, with the binary tensor data extension.
//!
//! <https://github.com/open-inference/open-inference-protocol> and, for the extension,
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>.
//! Input `image`: BYTES `[N]` of encoded pictures (base64 in JSON) or UINT8 `[N, H, W, 3]` at the
//! input size. Outputs, `[N, k]` with k from the parameter `top_k` (default 1), best first: `label`
//! BYTES, `index` INT64, `score` FP32.

mod answer;
mod binary;
mod json_data;
mod request;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use glimpse_classifier::Options;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Value, json};

use super::model;
use crate::inference;
use crate::payload::Payload;
use crate::problem::{Problem, RETRY_AFTER};
use crate::segment::Segment;
use crate::state::ApiState;

pub(crate) use answer::{Inferred, ModelMetadata, ModelReady, ServerMetadata};
use request::{Expected, Inference, Pictures};
pub(crate) use request::{Output, Request};

/// Where the JSON ends and the tensors' bytes begin.
static HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/versions/{version}", get(version_metadata))
        .route("/v2/models/{name}/versions/{version}/ready", get(version_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(version_infer))
}

/// The server.
async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata::new())
}

/// The process answers.
async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// 503 until the model is loaded; asking starts the load.
async fn ready(State(state): State<ApiState>) -> Response {
    if model::any_is_loaded(&state) {
        return Json(json!({ "ready": true })).into_response();
    }
    let later = [(header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, later, Json(json!({ "ready": false }))).into_response()
}

async fn metadata(state: State<ApiState>, Segment(name): Segment) -> Result<Response, Problem> {
    describe(&state, &name, None).await
}

async fn version_metadata(
    state: State<ApiState>,
    Segment((name, version)): Segment<(String, String)>,
) -> Result<Response, Problem> {
    describe(&state, &name, Some(&version)).await
}

async fn model_ready(state: State<ApiState>, Segment(name): Segment) -> Result<Response, Problem> {
    readiness(&state, name, None)
}

async fn version_ready(
    state: State<ApiState>,
    Segment((name, version)): Segment<(String, String)>,
) -> Result<Response, Problem> {
    readiness(&state, name, Some(&version))
}

async fn infer(
    state: State<ApiState>,
    Segment(name): Segment,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Response, Problem> {
    classify(&state, (&name, None), &headers, &body).await
}

async fn version_infer(
    state: State<ApiState>,
    Segment((name, version)): Segment<(String, String)>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Response, Problem> {
    classify(&state, (&name, Some(&version)), &headers, &body).await
}

async fn describe(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<Response, Problem> {
    let model = model::named(state, name, version).await?;
    Ok(Json(ModelMetadata::of(model.manifest())).into_response())
}

fn readiness(state: &ApiState, name: String, version: Option<&str>) -> Result<Response, Problem> {
    if model::is_loaded(state, &name, version)? {
        return Ok(Json(ModelReady { name, ready: true }).into_response());
    }
    let later = [(header::RETRY_AFTER, RETRY_AFTER)];
    let not_yet = Json(ModelReady { name, ready: false });
    Ok((StatusCode::SERVICE_UNAVAILABLE, later, not_yet).into_response())
}

/// One row of outputs a picture, in order; one bad picture fails the request.
async fn classify(
    state: &ApiState,
    (name, version): (&str, Option<&str>),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let model = model::named(state, name, version).await?;
    let expected = Expected {
        input: model.manifest().input,
        classes: model.labels().len(),
        max_batch: state.config.max_batch,
    };
    let header_length = headers.get(&HEADER_LENGTH).map(http::HeaderValue::as_bytes);
    let Inference { id, top_k, pictures, outputs } =
        request::parse(body, header_length, &expected)?;
    let options = Options { top_k, ..Options::default() };
    let predictions = match pictures {
        Pictures::Encoded(pictures) => {
            let outcomes = inference::many(state, &model, pictures, options).await?;
            outcomes.into_iter().collect::<Result<_, _>>()?
        }
        Pictures::Pixels { bytes, n } => {
            inference::pixels(state, &model, bytes, n, options).await?
        }
    };
    Ok(answer::render(model.manifest(), id, &outputs, &predictions, top_k))
}
