//! The Open Inference Protocol v2 over REST, with JSON tensors.
//!
//! <https://github.com/open-inference/open-inference-protocol>. Input `image`: BYTES `[N]` (base64
//! of encoded pictures) or UINT8 `[N, H, W, 3]` at the input size. Outputs, `[N, k]` with k from the
//! parameter `top_k` (default 1), best first: `label` BYTES, `index` INT64, `score` FP32.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use glimpse_classifier::{Classifier, Options, Prediction};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base64_text;
use crate::inference;
use crate::payload::{self, Payload};
use crate::problem::{Problem, RETRY_AFTER};
use crate::segment::Segment;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(expecting = "an object with inputs")]
struct Request {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    inputs: Vec<Tensor>,
}

#[derive(Deserialize, Default)]
#[serde(expecting = "an object")]
struct Parameters {
    top_k: Option<usize>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with name, shape, datatype and data")]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Value,
}

#[derive(Serialize)]
struct Inferred<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    model_name: &'a str,
    model_version: &'a str,
    outputs: [Output<'a>; 3],
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'static str,
    datatype: &'static str,
    shape: [usize; 2],
    data: Data<'a>,
}

/// One output's values, row-major.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Label(Vec<&'a str>),
    Index(Vec<usize>),
    Score(Vec<f32>),
}

/// `GET /v2`: the server.
pub(crate) async fn server() -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({ "name": "glimpse", "version": version, "extensions": [] }))
}

/// `GET /v2/health/live`.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /v2/health/ready`: 503 until the model is loaded; asking starts the load.
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    if state.store.ready().is_some() {
        return Json(json!({ "ready": true })).into_response();
    }
    state.store.warm();
    let later = [(header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, later, Json(json!({ "ready": false }))).into_response()
}

/// `GET /v2/models/{name}`.
pub(crate) async fn metadata(
    State(state): State<ApiState>,
    Segment(name): Segment,
) -> Result<Json<Value>, Problem> {
    let model = inference::classifier(&state).await?;
    let manifest = named(&model, &name)?.manifest();
    let output = |name, datatype| json!({ "name": name, "datatype": datatype, "shape": [-1, -1] });
    Ok(Json(json!({
        "name": manifest.name,
        "versions": [manifest.version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            { "name": "image", "datatype": "BYTES", "shape": [-1] },
            { "name": "image", "datatype": "UINT8",
              "shape": [-1, manifest.input.height, manifest.input.width, 3] }
        ],
        "outputs": [output("label", "BYTES"), output("index", "INT64"), output("score", "FP32")]
    })))
}

/// `POST /v2/models/{name}/infer`.
pub(crate) async fn infer(
    State(state): State<ApiState>,
    Segment(name): Segment,
    Payload(body): Payload,
) -> Result<Response, Problem> {
    let model = inference::classifier(&state).await?;
    let classes = named(&model, &name)?.labels().len();
    let request: Request = payload::json(&body)?;
    let top_k = request.parameters.top_k.unwrap_or(1);
    if top_k == 0 || top_k > classes {
        return Err(invalid(format!("parameters.top_k is {top_k}; expected 1 to {classes}")));
    }
    let [image] = request.inputs.as_slice() else {
        return Err(invalid("inputs: expected one tensor named image".to_owned()));
    };
    if image.name != "image" {
        return Err(invalid("inputs[0].name: expected image".to_owned()));
    }
    let (n, limit) = (image.shape.first().copied().unwrap_or(0), state.config.max_batch);
    if n == 0 {
        return Err(Problem::MissingImage);
    }
    if n > limit {
        return Err(Problem::BatchTooLarge { count: n, limit });
    }
    let options = Options { top_k, ..Options::default() };
    let predictions = match image.datatype.as_str() {
        "BYTES" => {
            let outcomes = inference::many(&state, encoded(image)?, options).await?;
            outcomes.into_iter().collect::<Result<_, _>>()?
        }
        "UINT8" => {
            let input = model.manifest().input;
            let sides = [n, input.height as usize, input.width as usize, 3];
            if image.shape != sides {
                return Err(invalid(format!("inputs[0].shape: expected {sides:?}")));
            }
            inference::pixels(&state, raw(image, n * input.bytes())?, n, options).await?
        }
        _ => return Err(invalid("inputs[0].datatype: expected BYTES or UINT8".to_owned())),
    };
    Ok(render(&model, request.id, &predictions, top_k))
}

fn named<'a>(model: &'a Classifier, name: &str) -> Result<&'a Classifier, Problem> {
    if model.manifest().name == name { Ok(model) } else { Err(Problem::NotFound) }
}

fn invalid(message: String) -> Problem {
    Problem::InvalidParameter(message)
}

/// Encoded pictures of a BYTES tensor `[N]`.
fn encoded(tensor: &Tensor) -> Result<Vec<Vec<u8>>, Problem> {
    let data = tensor.data.as_array().map(Vec::as_slice).unwrap_or_default();
    if tensor.shape != [data.len()] {
        return Err(invalid("inputs[0]: shape must be [N] and data hold N strings".to_owned()));
    }
    let text = |value: &Value| {
        let text = value.as_str().ok_or_else(|| invalid("inputs[0].data: not a string".to_owned()));
        text.and_then(base64_text::picture)
    };
    data.iter().map(text).collect()
}

/// Bytes of a UINT8 tensor, flat or nested, row-major.
fn raw(tensor: &Tensor, expected: usize) -> Result<Vec<u8>, Problem> {
    fn flatten(value: &Value, into: &mut Vec<u8>) -> Option<()> {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| flatten(value, into)),
            value => value.as_u64().and_then(|v| u8::try_from(v).ok()).map(|byte| into.push(byte)),
        }
    }
    let mut bytes = Vec::with_capacity(expected);
    flatten(&tensor.data, &mut bytes)
        .ok_or_else(|| invalid("inputs[0].data: expected numbers from 0 to 255".to_owned()))?;
    if bytes.len() != expected {
        let found = bytes.len();
        return Err(invalid(format!("inputs[0].data: {found} values; the shape needs {expected}")));
    }
    Ok(bytes)
}

fn render(model: &Classifier, id: Option<String>, all: &[Prediction], k: usize) -> Response {
    let ranked = || all.iter().flat_map(|prediction| &prediction.predictions);
    let output = |name, datatype, data| Output { name, datatype, shape: [all.len(), k], data };
    let labels = Data::Label(ranked().map(|ranked| ranked.label.as_str()).collect());
    let indices = Data::Index(ranked().map(|ranked| ranked.index).collect());
    let scores = Data::Score(ranked().map(|ranked| ranked.score).collect());
    Json(Inferred {
        id,
        model_name: &model.manifest().name,
        model_version: &model.manifest().version,
        outputs: [
            output("label", "BYTES", labels),
            output("index", "INT64", indices),
            output("score", "FP32", scores),
        ],
    })
    .into_response()
}
