//! Predictions in the format of the request, the model's status, and its signature.

use std::collections::BTreeMap;

use glimpse_classifier::{Manifest, PictureCounts, Prediction, Ranked};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Whether pictures came in rows or in a column: the answer does too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Rows,
    Columns,
}

/// Predictions, one per picture, in order.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = TensorFlowAnswer)]
pub(super) enum Predicted {
    Rows { predictions: Vec<Row> },
    Columns { outputs: Columns },
}

/// The best label of one picture, and the best five.
#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowAnswerRow)]
pub(super) struct Row {
    #[serde(flatten)]
    top: Ranked,
    predictions: Vec<Ranked>,
    /// Every label whose score reaches its threshold, where a picture may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    labels: Option<Vec<Ranked>>,
    #[serde(flatten)]
    counts: PictureCounts,
    /// As the instance had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    key: Option<Box<RawValue>>,
}

/// The same, a list an output.
#[derive(Serialize, Default, ToSchema)]
#[schema(as = TensorFlowAnswerColumns)]
pub(super) struct Columns {
    label: Vec<String>,
    index: Vec<usize>,
    score: Vec<f32>,
    predictions: Vec<Vec<Ranked>>,
    /// Every label whose score reaches its threshold, where a picture may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    labels: Option<Vec<Vec<Ranked>>>,
    /// Pages of each TIFF, 1 of other pictures; absent where no picture has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pages: Option<Vec<u32>>,
    /// Frames of each animation or sequence, 1 of other pictures; absent where none has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    frames: Option<Vec<u32>>,
}

impl Predicted {
    /// Each with the key of its instance.
    pub(super) fn rows(predictions: Vec<Prediction>, keys: Vec<Option<Box<RawValue>>>) -> Self {
        let row = |(prediction, key): (Prediction, _)| {
            let counts = prediction.counts();
            let Prediction { top, predictions, labels, .. } = prediction;
            Row { top, predictions, labels, counts, key }
        };
        Self::Rows { predictions: predictions.into_iter().zip(keys).map(row).collect() }
    }

    pub(super) fn columns(predictions: Vec<Prediction>) -> Self {
        let counts: Vec<_> = predictions.iter().map(Prediction::counts).collect();
        let mut outputs = Columns {
            pages: column(counts.iter().map(|counts| counts.pages)),
            frames: column(counts.iter().map(|counts| counts.frames)),
            ..Columns::default()
        };
        for Prediction { top, predictions, labels, .. } in predictions {
            outputs.label.push(top.label);
            outputs.index.push(top.index);
            outputs.score.push(top.score);
            outputs.predictions.push(predictions);
            if let Some(labels) = labels {
                outputs.labels.get_or_insert_default().push(labels);
            }
        }
        Self::Columns { outputs }
    }
}

/// Nothing where no picture has several.
fn column(counts: impl Iterator<Item = Option<u32>> + Clone) -> Option<Vec<u32>> {
    let any = counts.clone().any(|count| count.is_some());
    any.then(|| counts.map(|count| count.unwrap_or(1)).collect())
}

/// `GetModelStatusResponse`.
#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowStatus)]
pub(super) struct Status {
    #[schema(value_type = Vec<VersionStatus>)]
    model_version_status: [VersionStatus; 1],
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowVersionStatus)]
struct VersionStatus {
    version: String,
    state: &'static str,
    status: StatusProto,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowStatusProto)]
struct StatusProto {
    error_code: &'static str,
    error_message: &'static str,
}

impl Status {
    pub(super) fn available(version: &str) -> Self {
        let status = StatusProto { error_code: "OK", error_message: "" };
        let version = version.to_owned();
        Self { model_version_status: [VersionStatus { version, state: "AVAILABLE", status }] }
    }
}

/// `GetModelMetadataResponse`.
#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowMetadata)]
pub(super) struct Metadata {
    model_spec: ModelSpec,
    metadata: SignatureDefs,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowModelSpec)]
struct ModelSpec {
    name: String,
    signature_name: &'static str,
    version: String,
}

/// The member is doubled: one is the metadata's key, one the field of its message.
#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowSignatureDefs)]
struct SignatureDefs {
    signature_def: SignatureDefMap,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowSignatureDefMap)]
struct SignatureDefMap {
    #[schema(value_type = BTreeMap<String, SignatureDef>)]
    signature_def: BTreeMap<&'static str, SignatureDef>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowSignatureDef)]
struct SignatureDef {
    #[schema(value_type = BTreeMap<String, TensorInfo>)]
    inputs: BTreeMap<&'static str, TensorInfo>,
    #[schema(value_type = BTreeMap<String, TensorInfo>)]
    outputs: BTreeMap<&'static str, TensorInfo>,
    method_name: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowTensorInfo)]
struct TensorInfo {
    name: &'static str,
    dtype: &'static str,
    tensor_shape: TensorShape,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowTensorShape)]
struct TensorShape {
    #[schema(value_type = Vec<Dim>)]
    dim: [Dim; 1],
    unknown_rank: bool,
}

/// A 64-bit number is a string in the JSON of protocol buffers.
#[derive(Serialize, ToSchema)]
#[schema(as = TensorFlowDim)]
struct Dim {
    size: &'static str,
    name: &'static str,
}

impl Metadata {
    pub(super) fn of(manifest: &Manifest) -> Self {
        // One value per picture, for any number of pictures.
        let tensor = |name, dtype| {
            let dim = [Dim { size: "-1", name: "" }];
            let tensor_shape = TensorShape { dim, unknown_rank: false };
            (name, TensorInfo { name, dtype, tensor_shape })
        };
        let signature = SignatureDef {
            inputs: [tensor("image", "DT_STRING")].into(),
            outputs: [
                tensor("label", "DT_STRING"),
                tensor("index", "DT_INT64"),
                tensor("score", "DT_FLOAT"),
            ]
            .into(),
            method_name: "tensorflow/serving/predict",
        };
        Self {
            model_spec: ModelSpec {
                name: manifest.name.clone(),
                signature_name: "",
                version: manifest.version.clone(),
            },
            metadata: SignatureDefs {
                signature_def: SignatureDefMap {
                    signature_def: [("serving_default", signature)].into(),
                },
            },
        }
    }
}
