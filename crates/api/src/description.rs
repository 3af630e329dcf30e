//! The answer of `GET /model`: `bundle.json`, and what the model can do.

use std::collections::BTreeMap;

use glimpse_classifier::{
    Calibration, Cells, Classifier, CpuGraph, FileEntry, Filter, InputSpec, Manifest, Metrics,
    Resize, ResizeMode, Size, Task,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// `bundle.json`, and what the model can do besides labels.
#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
pub(crate) struct Description {
    /// Version of the bundle's format, after conversion from an older one.
    schema_version: u32,
    /// The model's name, as in `/v2/models/{name}`.
    name: String,
    /// The model's version; a bundle is immutable.
    version: String,
    /// RFC 3339 time of making.
    created_at: String,
    /// Checksum and size of each file, by file name.
    files: BTreeMap<String, FileEntry>,
    /// Where `model.cpu.onnx` may be taken, in a bundle that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_graph: Option<CpuGraph>,
    input: Input,
    task: Task,
    /// By class index, the score from which a class of a multi-label model holds, 0…1; without them
    /// it is 0.5 for every class.
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<Vec<f32>>,
    /// Where the cells of class activation maps look; without it they share the input evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    class_maps: Option<Cells>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
    /// Reserved for a decision policy.
    #[serde(skip_serializing_if = "Value::is_null")]
    decision: Value,
    /// Reserved for what live traffic is compared with.
    #[serde(skip_serializing_if = "Value::is_null")]
    profile: Value,
    /// Training command, git commit, seed, weights.
    #[serde(skip_serializing_if = "Value::is_null")]
    provenance: Value,
    /// SPDX expression or a sentence.
    license: String,
    /// Whether `explain` may be asked for.
    explains: bool,
    /// Length of the vector that `embedding` gives; null where it may not be asked for.
    embedding_dimension: Option<usize>,
    /// The file of the bundle that runs: `model.cpu.onnx` where it may be taken, else `model.onnx`.
    graph: &'static str,
    /// The execution provider that runs it: `cpu`, or the one that the server is configured with.
    provider: String,
}

/// What the graph's input expects, and how a picture gets there.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelInput)]
struct Input {
    #[serde(flatten)]
    spec: InputSpec,
    /// `resize.size`, where `resize.mode` is `shorter-side`: the name of version 0.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    resize_shorter_side: Option<u32>,
    /// Where `resize` is antialiased bilinear: the name of version 0.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    interpolation: Option<Interpolation>,
}

#[derive(Serialize, ToSchema)]
enum Interpolation {
    #[serde(rename = "bilinear-antialias")]
    BilinearAntialias,
}

impl From<InputSpec> for Input {
    fn from(spec: InputSpec) -> Self {
        let Resize { mode, size, filter, antialias, .. } = spec.resize;
        let resize_shorter_side = match (mode, size) {
            (ResizeMode::ShorterSide, Size::Side(side)) => Some(side),
            _ => None,
        };
        let bilinear = antialias && filter == Filter::Bilinear;
        let interpolation = bilinear.then_some(Interpolation::BilinearAntialias);
        Self { spec, resize_shorter_side, interpolation }
    }
}

impl Description {
    pub(crate) fn of(model: &Classifier) -> Self {
        let Manifest {
            schema_version,
            name,
            version,
            created_at,
            files,
            cpu_graph,
            input,
            task,
            thresholds,
            metrics,
            calibration,
            class_maps,
            decision,
            profile,
            provenance,
            license,
        } = model.manifest().clone();
        Self {
            schema_version,
            name,
            version,
            created_at,
            files,
            cpu_graph,
            input: input.into(),
            task,
            thresholds,
            class_maps,
            metrics,
            calibration,
            decision,
            profile,
            provenance,
            license,
            explains: model.explains(),
            embedding_dimension: model.embedding_dimension(),
            graph: model.graph().file(),
            provider: model.provider().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_first_version_stay_where_they_are_true() {
        let json = |spec: InputSpec| serde_json::to_value(Input::from(spec)).unwrap();
        let mut spec = InputSpec::centre_of(224, 224, 256);
        let value = json(spec);
        assert_eq!(value["resize_shorter_side"], 256);
        assert_eq!(value["interpolation"], "bilinear-antialias");
        assert_eq!(value["resize"]["size"], 256);
        spec.resize.mode = ResizeMode::Squash;
        spec.resize.filter = Filter::Bicubic;
        let value = json(spec);
        assert!(value.get("resize_shorter_side").is_none() && value.get("interpolation").is_none());
    }
}
