//! The Open Inference Protocol v2 over REST, with the binary tensor data extension.
//!
//! <https://github.com/open-inference/open-inference-protocol> and, for the extension,
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>.
//! Input `image`: BYTES `[N]` of encoded pictures (base64 in JSON) or UINT8 `[N, H, W, 3]` at the
//! input size. Outputs, `[N, k]`, best first: `label` BYTES, `index` INT64, `score` FP32, of a
//! multi-label model `above_threshold` BOOL; and, where they are asked for by name, `pages` and
//! `frames` INT64 `[N, 1]`. The parameter `top_k` sets k. Without it k is 1, or of a multi-label model
//! so large that no label that reaches its threshold is missing.

mod answer;
mod binary;
pub(crate) mod extensions;
mod json_data;
mod outputs;
mod request;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use glimpse_classifier::{Manifest, Options, Prediction, Ranked, Task};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Serialize;

use super::model::{self, ModelPath, VersionPath};
use crate::caller::Caller;
use crate::extract::body::Payload;
use crate::extract::segment::Segment;
use crate::inference;
use crate::not_found;
use crate::openapi::{ModelErrors, NamedErrors, PIXEL, UnauthorizedError, UnknownErrors};
use crate::problem::{Problem, RETRY_AFTER};
use crate::state::ApiState;

use answer::{
    BinaryAnswer, Inferred, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady,
};
use request::{BinaryRequest, Body, InferHeaders};
pub(crate) use request::{Expected, Inference, Pictures, constrain_schemas, parse};

/// In the `OpenAPI` document.
const TAG: &str = "Open Inference Protocol";
/// Where the JSON ends and the tensors' bytes begin.
static HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// What a load balancer asks.
pub(crate) fn health() -> Router<ApiState> {
    Router::new().route("/v2/health/live", get(live)).route("/v2/health/ready", get(ready))
}

pub(crate) fn routes() -> Router<ApiState> {
    health()
        .route("/v2", get(server))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/versions/{version}", get(version_metadata))
        .route("/v2/models/{name}/versions/{version}/ready", get(version_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(version_infer))
        .route("/v2/models/{name}/config", get(extensions::config))
        .route("/v2/models/{name}/versions/{version}/config", get(extensions::version_config))
        .route("/v2/models/{name}/stats", get(extensions::stats))
        .route("/v2/models/{name}/versions/{version}/stats", get(extensions::version_stats))
        .route("/v2/models/stats", get(extensions::all_stats))
        .route("/v2/repository/index", post(extensions::index))
        // Every other path here is refused in the form of this protocol.
        .route("/v2/", any(not_found))
        .route("/v2/{*rest}", any(not_found))
}

/// The server
#[utoipa::path(
    get,
    path = "/v2",
    operation_id = "serverMetadata",
    tag = TAG,
    responses((status = 200, description = "The server", body = ServerMetadata), UnauthorizedError)
)]
async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata::new())
}

/// The process answers
#[utoipa::path(
    get,
    path = "/v2/health/live",
    operation_id = "live",
    tag = TAG,
    responses((status = 200, description = "Alive", body = ServerLive))
)]
async fn live() -> Json<ServerLive> {
    Json(ServerLive { live: true })
}

/// Whether the model is loaded; asking starts the load
#[utoipa::path(
    get,
    path = "/v2/health/ready",
    operation_id = "ready",
    tag = TAG,
    responses((status = 200, description = "Loaded", body = ServerReady), (status = 503, description = "Not yet", body = ServerReady, headers(("Retry-After" = u32, description = "Seconds after which to ask again"))))
)]
async fn ready(State(state): State<ApiState>) -> Response {
    let ready = model::any_is_loaded(&state);
    readiness(ready, ServerReady { ready })
}

/// What the model takes and gives
#[utoipa::path(
    get,
    path = "/v2/models/{name}",
    operation_id = "modelMetadata",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "Inputs and outputs", body = ModelMetadata), ModelErrors)
)]
async fn metadata(
    state: State<ApiState>,
    Segment(ModelPath { name }): Segment<ModelPath>,
) -> Result<Response, Problem> {
    describe(&state, &name, None).await
}

/// What the model takes and gives
#[utoipa::path(
    get,
    path = "/v2/models/{name}/versions/{version}",
    operation_id = "versionMetadata",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "Inputs and outputs", body = ModelMetadata), ModelErrors)
)]
async fn version_metadata(
    state: State<ApiState>,
    Segment(VersionPath { name, version }): Segment<VersionPath>,
) -> Result<Response, Problem> {
    describe(&state, &name, Some(&version)).await
}

/// Whether the model is loaded; asking starts the load
#[utoipa::path(
    get,
    path = "/v2/models/{name}/ready",
    operation_id = "modelReady",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "Loaded", body = ModelReady), (status = 503, description = "Not yet", body = ModelReady, headers(("Retry-After" = u32, description = "Seconds after which to ask again"))), UnknownErrors)
)]
async fn model_ready(
    state: State<ApiState>,
    Segment(ModelPath { name }): Segment<ModelPath>,
) -> Result<Response, Problem> {
    let ready = model::is_loaded(&state, &name, None)?;
    Ok(readiness(ready, ModelReady { name, ready }))
}

/// Whether the model is loaded; asking starts the load
#[utoipa::path(
    get,
    path = "/v2/models/{name}/versions/{version}/ready",
    operation_id = "versionReady",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "Loaded", body = ModelReady), (status = 503, description = "Not yet", body = ModelReady, headers(("Retry-After" = u32, description = "Seconds after which to ask again"))), UnknownErrors)
)]
async fn version_ready(
    state: State<ApiState>,
    Segment(VersionPath { name, version }): Segment<VersionPath>,
) -> Result<Response, Problem> {
    let ready = model::is_loaded(&state, &name, Some(&version))?;
    Ok(readiness(ready, ModelReady { name, ready }))
}

/// Classify pictures or pixels
#[utoipa::path(
    post,
    path = "/v2/models/{name}/infer",
    operation_id = "infer",
    tag = TAG,
    params(ModelPath, InferHeaders),
    request_body(content(
        (Body<'static> = "application/json", examples(("one" = (value = json!({
            "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES", "data": [PIXEL] }],
            "parameters": { "top_k": 3 }
        }))))),
        (inline(BinaryRequest) = "application/octet-stream")
    )),
    responses(
        (
            status = 200,
            description = "The outputs label, index and score, of a multi-label model above_threshold too, each [N, k]; pages and frames, each [N, 1], where they are asked for",
            content(
                (Inferred<'static> = "application/json"),
                (inline(BinaryAnswer) = "application/octet-stream")
            ),
            headers(
                ("Inference-Header-Content-Length" = u64, description = "Bytes of JSON, where outputs are binary")
            )
        ),
        NamedErrors
    )
)]
async fn infer(
    state: State<ApiState>,
    Segment(ModelPath { name }): Segment<ModelPath>,
    headers: HeaderMap,
    Payload(body, caller): Payload,
) -> Result<Response, Problem> {
    classify(&state, (&name, None), &headers, (&body, &caller)).await
}

/// Classify pictures or pixels
#[utoipa::path(
    post,
    path = "/v2/models/{name}/versions/{version}/infer",
    operation_id = "versionInfer",
    tag = TAG,
    params(VersionPath, InferHeaders),
    request_body(content(
        (Body<'static> = "application/json", examples(("one" = (value = json!({
            "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES", "data": [PIXEL] }],
            "parameters": { "top_k": 3 }
        }))))),
        (inline(BinaryRequest) = "application/octet-stream")
    )),
    responses(
        (
            status = 200,
            description = "The outputs label, index and score, of a multi-label model above_threshold too, each [N, k]; pages and frames, each [N, 1], where they are asked for",
            content(
                (Inferred<'static> = "application/json"),
                (inline(BinaryAnswer) = "application/octet-stream")
            ),
            headers(
                ("Inference-Header-Content-Length" = u64, description = "Bytes of JSON, where outputs are binary")
            )
        ),
        NamedErrors
    )
)]
async fn version_infer(
    state: State<ApiState>,
    Segment(VersionPath { name, version }): Segment<VersionPath>,
    headers: HeaderMap,
    Payload(body, caller): Payload,
) -> Result<Response, Problem> {
    classify(&state, (&name, Some(&version)), &headers, (&body, &caller)).await
}

async fn describe(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<Response, Problem> {
    let model = model::named(state, name, version).await?;
    Ok(Json(ModelMetadata::of(model.manifest())).into_response())
}

/// 503 until the model is loaded.
fn readiness(ready: bool, answer: impl Serialize) -> Response {
    if ready {
        return Json(answer).into_response();
    }
    let later = [(header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, later, Json(answer)).into_response()
}

/// Leave the same number of best labels to each picture: so many that none of those that reach their
/// thresholds is missing, and one at least.
fn cut_to_those_that_hold(manifest: &Manifest, predictions: &mut [Prediction]) -> usize {
    let holds = |ranked: &Ranked| manifest.holds(ranked.index, ranked.score) == Some(true);
    let needed = predictions.iter().filter_map(|one| one.predictions.iter().rposition(holds)).max();
    let k = needed.map_or(1, |last| last + 1);
    for one in predictions {
        one.predictions.truncate(k);
    }
    k
}

/// One row of outputs per picture, in order; one bad picture fails the request.
async fn classify(
    state: &ApiState,
    (name, version): (&str, Option<&str>),
    headers: &HeaderMap,
    (body, caller): (&[u8], &Caller),
) -> Result<Response, Problem> {
    let model = model::named(state, name, version).await?;
    let expected = Expected {
        input: model.manifest().input,
        task: model.manifest().task,
        classes: model.labels().len(),
        max_batch: state.config.max_batch,
    };
    let header_length = headers.get(&HEADER_LENGTH).map(http::HeaderValue::as_bytes);
    let Inference { id, top_k, page, pictures, outputs } = parse(body, header_length, &expected)?;
    let most = match model.manifest().task {
        Task::SingleLabel => 1,
        Task::MultiLabel => expected.classes,
    };
    let options = Options { top_k: top_k.unwrap_or(most), page, ..Options::default() };
    let mut predictions = match pictures {
        Pictures::Encoded(pictures) => {
            let results = inference::many(state, &model, pictures, options, caller).await?;
            results.into_iter().collect::<Result<_, _>>()?
        }
        Pictures::Pixels { bytes, n } => {
            inference::pixels(state, &model, (bytes, n), options, caller).await?
        }
    };
    let k = top_k.unwrap_or_else(|| cut_to_those_that_hold(model.manifest(), &mut predictions));
    Ok(answer::render(model.manifest(), id, &outputs, &predictions, k))
}
