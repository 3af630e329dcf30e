//! What Triton adds to the protocol and its tools ask for: configuration, statistics, the index.
//!
//! <https://github.com/triton-inference-server/server/tree/main/docs/protocol>: model configuration,
//! statistics and model repository extensions. NVIDIA's `perf_analyzer` reads all of them.

use axum::Json;
use axum::extract::State;
use glimpse_classifier::Manifest;
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use super::outputs::Output;
use crate::extract::segment::Segment;
use crate::inference::{self, Statistics};
use crate::openapi::{DescriptionErrors, ModelErrors};
use crate::problem::Problem;
use crate::protocol::model::{self, ModelPath, VersionPath};
use crate::state::ApiState;

/// A model's configuration.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelConfig {
    name: String,
    platform: &'static str,
    backend: &'static str,
    /// Most pictures in one request.
    max_batch_size: usize,
    #[schema(value_type = Vec<ConfigTensor>)]
    input: [ConfigTensor; 1],
    output: Vec<ConfigTensor>,
}

/// Without the batch's dimension.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelConfigTensor)]
struct ConfigTensor {
    name: &'static str,
    data_type: &'static str,
    dims: [i64; 1],
}

impl ModelConfig {
    fn of(manifest: &Manifest, max_batch_size: usize) -> Self {
        let tensor = |name, data_type, dim| ConfigTensor { name, data_type, dims: [dim] };
        Self {
            name: manifest.name.clone(),
            platform: "onnxruntime_onnx",
            backend: "onnxruntime",
            max_batch_size,
            input: [tensor("image", "TYPE_STRING", 1)],
            output: Output::of(manifest.task)
                .iter()
                .map(|output| tensor(output.name(), output.config_type(), output.width()))
                .collect(),
        }
    }
}

/// What was asked of the models since the server started.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelStats {
    model_stats: Vec<Stats>,
}

/// Counts and times of one model.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelStatistics)]
struct Stats {
    name: String,
    version: String,
    /// Milliseconds since 1970; 0 before the first.
    last_inference: u64,
    /// Pictures.
    inference_count: u64,
    /// Runs of the model; one may be for pictures of several requests.
    execution_count: u64,
    inference_stats: InferenceStats,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelInferenceStatistics)]
struct InferenceStats {
    success: Duration,
    fail: Duration,
    queue: Duration,
    /// Decoding and preprocessing.
    compute_input: Duration,
    compute_infer: Duration,
    compute_output: Duration,
}

/// How often, and how long in all.
#[derive(Serialize, Default, ToSchema)]
#[schema(as = StatisticDuration)]
struct Duration {
    count: u64,
    /// Nanoseconds.
    ns: u64,
}

impl Stats {
    fn of(manifest: &Manifest, statistics: &Statistics) -> Self {
        let counted = statistics.of(&manifest.name, &manifest.version);
        let count = counted.pictures;
        let time = |ns| Duration { count, ns };
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            last_inference: counted.last_ms,
            inference_count: count,
            execution_count: counted.runs,
            inference_stats: InferenceStats {
                success: time(counted.input_ns + counted.infer_ns),
                fail: Duration { count: counted.failures, ns: 0 },
                queue: Duration::default(),
                compute_input: time(counted.input_ns),
                compute_infer: time(counted.infer_ns),
                compute_output: Duration::default(),
            },
        }
    }
}

/// A model in the index.
#[derive(Serialize, ToSchema)]
pub(super) struct IndexEntry {
    name: String,
    version: String,
    state: &'static str,
    reason: &'static str,
}

/// The model's configuration, as Triton writes it
#[utoipa::path(
    get,
    path = "/v2/models/{name}/config",
    operation_id = "modelConfig",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "The configuration", body = ModelConfig), ModelErrors)
)]
pub(super) async fn config(
    State(state): State<ApiState>,
    Segment(path): Segment<ModelPath>,
) -> Result<Json<ModelConfig>, Problem> {
    let model = model::named(&state, &path.name, None).await?;
    Ok(Json(ModelConfig::of(model.manifest(), state.config.max_batch)))
}

/// The model's configuration, as Triton writes it
#[utoipa::path(
    get,
    path = "/v2/models/{name}/versions/{version}/config",
    operation_id = "versionConfig",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "The configuration", body = ModelConfig), ModelErrors)
)]
pub(super) async fn version_config(
    State(state): State<ApiState>,
    Segment(path): Segment<VersionPath>,
) -> Result<Json<ModelConfig>, Problem> {
    let model = model::named(&state, &path.name, Some(&path.version)).await?;
    Ok(Json(ModelConfig::of(model.manifest(), state.config.max_batch)))
}

/// Counts and times of the model since the server started
#[utoipa::path(
    get,
    path = "/v2/models/{name}/stats",
    operation_id = "modelStats",
    tag = TAG,
    params(ModelPath),
    responses((status = 200, description = "The statistics", body = ModelStats), ModelErrors)
)]
pub(super) async fn stats(
    State(state): State<ApiState>,
    Segment(path): Segment<ModelPath>,
) -> Result<Json<ModelStats>, Problem> {
    let model = model::named(&state, &path.name, None).await?;
    Ok(Json(ModelStats { model_stats: vec![Stats::of(model.manifest(), &state.statistics)] }))
}

/// Counts and times of the model since the server started
#[utoipa::path(
    get,
    path = "/v2/models/{name}/versions/{version}/stats",
    operation_id = "versionStats",
    tag = TAG,
    params(VersionPath),
    responses((status = 200, description = "The statistics", body = ModelStats), ModelErrors)
)]
pub(super) async fn version_stats(
    State(state): State<ApiState>,
    Segment(path): Segment<VersionPath>,
) -> Result<Json<ModelStats>, Problem> {
    let model = model::named(&state, &path.name, Some(&path.version)).await?;
    Ok(Json(ModelStats { model_stats: vec![Stats::of(model.manifest(), &state.statistics)] }))
}

/// Counts and times of all models since the server started
#[utoipa::path(
    get,
    path = "/v2/models/stats",
    operation_id = "allStats",
    tag = TAG,
    responses((status = 200, description = "The statistics", body = ModelStats), DescriptionErrors)
)]
pub(super) async fn all_stats(State(state): State<ApiState>) -> Result<Json<ModelStats>, Problem> {
    let model = inference::classifier(&state).await?;
    Ok(Json(ModelStats { model_stats: vec![Stats::of(model.manifest(), &state.statistics)] }))
}

/// The models of the server
#[utoipa::path(
    post,
    path = "/v2/repository/index",
    operation_id = "repositoryIndex",
    tag = TAG,
    responses((status = 200, description = "The one model", body = Vec<IndexEntry>), DescriptionErrors)
)]
pub(super) async fn index(State(state): State<ApiState>) -> Result<Json<[IndexEntry; 1]>, Problem> {
    let model = inference::classifier(&state).await?;
    let manifest = model.manifest();
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    Ok(Json([IndexEntry { name, version, state: "READY", reason: "" }]))
}
