//! Answers: tensors in JSON, or behind it where the client wants them binary.

use axum::Json;
use axum::response::{IntoResponse, Response};
use glimpse_classifier::{Manifest, Prediction};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::HEADER_LENGTH;
use super::binary;
use super::outputs::{Output, Wanted};
use crate::problem::Problem;

/// `GET /v2`.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    #[schema(value_type = Vec<String>)]
    extensions: [&'static str; 1],
}

impl ServerMetadata {
    pub(super) fn new() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { name: "glimpse", version, extensions: ["binary_tensor_data"] }
    }
}

/// `GET /v2/health/live`.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerLive {
    pub(super) live: bool,
}

/// `GET /v2/health/ready`.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerReady {
    pub(super) ready: bool,
}

/// Whether the model can take requests.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelReady {
    pub(super) name: String,
    pub(super) ready: bool,
}

/// What a model takes and gives.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelMetadata {
    name: String,
    #[schema(value_type = Vec<String>)]
    versions: [String; 1],
    platform: &'static str,
    /// Either of them.
    #[schema(value_type = Vec<TensorMetadata>)]
    inputs: [TensorMetadata; 2],
    outputs: Vec<TensorMetadata>,
}

/// A dimension of -1 may have any size.
#[derive(Serialize, ToSchema)]
struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<i64>,
}

impl ModelMetadata {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let image = |datatype, shape| TensorMetadata { name: "image", datatype, shape };
        let input = manifest.input;
        let output = |output: Output| TensorMetadata {
            name: output.name(),
            datatype: output.datatype(),
            shape: vec![-1, output.width()],
        };
        Self {
            name: manifest.name.clone(),
            versions: [manifest.version.clone()],
            platform: "onnxruntime_onnx",
            inputs: [
                image("BYTES", vec![-1]),
                image("UINT8", vec![-1, i64::from(input.height), i64::from(input.width), 3]),
            ],
            outputs: Output::of(manifest.task).iter().copied().map(output).collect(),
        }
    }
}

/// The JSON of an answer to an inference request.
#[derive(Serialize, ToSchema)]
#[schema(as = InferenceAnswer)]
pub(super) struct Inferred<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    model_name: &'a str,
    model_version: &'a str,
    outputs: Vec<Tensor<'a>>,
}

/// JSON, and binary outputs behind it
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct BinaryAnswer(#[allow(dead_code)] Vec<u8>);

/// `data`, or as many bytes behind the JSON as `parameters` say.
#[derive(Serialize, ToSchema)]
#[schema(as = InferenceOutput)]
struct Tensor<'a> {
    /// label, index, score, `above_threshold`, pages or frames.
    name: &'static str,
    /// BYTES, INT64, FP32 or BOOL.
    datatype: &'static str,
    /// Pictures, and values per picture.
    #[schema(value_type = Vec<usize>)]
    shape: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<TensorParameters>,
    /// Row-major, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    data: Option<Data<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InferenceOutputParameters)]
struct TensorParameters {
    binary_data_size: usize,
}

/// One output's values, row-major.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Label(Vec<&'a str>),
    Index(Vec<usize>),
    Score(Vec<f32>),
    Holds(Vec<bool>),
    Count(Vec<u32>),
}

/// The answer for `all` pictures with `k` predictions each.
pub(super) fn render(
    manifest: &Manifest,
    id: Option<String>,
    outputs: &[Wanted],
    all: &[Prediction],
    k: usize,
) -> Response {
    let mut behind = Vec::new();
    let mut tensor = |&Wanted { output, binary }: &Wanted| {
        let before = behind.len();
        let data = Data::of(output, all, manifest);
        let shape = [all.len(), if output.width() == 1 { 1 } else { k }];
        let data = if binary {
            data.append_to(&mut behind);
            None
        } else {
            Some(data)
        };
        let parameters =
            binary.then(|| TensorParameters { binary_data_size: behind.len() - before });
        Tensor { name: output.name(), datatype: output.datatype(), shape, parameters, data }
    };
    let outputs = outputs.iter().map(&mut tensor).collect();
    let (model_name, model_version) = (&*manifest.name, &*manifest.version);
    let inferred = Inferred { id, model_name, model_version, outputs };
    if behind.is_empty() {
        return Json(inferred).into_response();
    }
    let Ok(mut body) = serde_json::to_vec(&inferred) else {
        return Problem::Internal.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (HEADER_LENGTH.clone(), body.len().to_string()),
    ];
    body.extend_from_slice(&behind);
    (headers, body).into_response()
}

impl<'a> Data<'a> {
    /// Of all pictures.
    fn of(output: Output, all: &'a [Prediction], manifest: &Manifest) -> Self {
        let ranked = || all.iter().flat_map(|one| &one.predictions);
        let counts = || all.iter().map(Prediction::counts);
        match output {
            Output::Label => Self::Label(ranked().map(|ranked| &*ranked.label).collect()),
            Output::Index => Self::Index(ranked().map(|ranked| ranked.index).collect()),
            Output::Score => Self::Score(ranked().map(|ranked| ranked.score).collect()),
            Output::AboveThreshold => Self::Holds(
                ranked().map(|one| manifest.holds(one.index, one.score) == Some(true)).collect(),
            ),
            Output::Pages => Self::Count(counts().map(|file| file.pages.unwrap_or(1)).collect()),
            Output::Frames => Self::Count(counts().map(|file| file.frames.unwrap_or(1)).collect()),
        }
    }

    /// Append the values, little-endian.
    fn append_to(self, behind: &mut Vec<u8>) {
        match self {
            Self::Label(labels) => {
                for label in labels {
                    binary::push_element(behind, label.as_bytes());
                }
            }
            Self::Index(numbers) => {
                behind.extend(numbers.iter().flat_map(|&number| (number as u64).to_le_bytes()));
            }
            Self::Score(scores) => {
                behind.extend(scores.iter().flat_map(|score| score.to_le_bytes()));
            }
            Self::Holds(each) => behind.extend(each.iter().map(|&holds| u8::from(holds))),
            Self::Count(numbers) => {
                behind.extend(numbers.iter().flat_map(|&number| u64::from(number).to_le_bytes()));
            }
        }
    }
}
