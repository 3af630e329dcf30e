//! Bundles with a tiny graph: what a picture's label should be can be said without a trained model.

use std::path::Path;

use glimpse_model_store::Sha256Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Side of the input in pixels.
pub const SIDE: u32 = 8;

/// Rounds of a loop for each level of brightness above the middle.
const SLOW_ROUNDS: f32 = 2e4;
/// Each of some 50 billion operations.
const PRODUCTS: u32 = 200;

/// What `Graph::Greener` adds: three steps of a mean.
pub const GREENER: f32 = 3.0 / 64.0;

/// What the graph computes of a picture's mean colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// Logits are the mean red, green and blue: the label is the strongest colour.
    MeanColour,
    /// Logits are not numbers, as a broken model gives.
    NotANumber,
    /// A run that takes for ever: a loop of 2^62 rounds.
    Endless,
    /// As `MeanColour` for dark and grey pictures; a run that takes for ever for bright ones.
    EndlessIfBright,
    /// Logits are the logarithms of the mean colours: no numbers where one is missing. A run of bright
    /// pictures takes some seconds.
    SlowIfBright,
    /// As `MeanColour`, and so many megabytes of zeros on the way.
    Huge(u64),
    /// As `MeanColour`, after constants that take minutes to compute, as ONNX Runtime does while it
    /// loads a graph.
    SlowToLoad,
    /// As `MeanColour`, with 1, 2 and 3 added, with class maps and embeddings: a class's map is its
    /// colour at each pixel, and the embedding is the mean colour.
    Explained,
    /// The same logits, maps and embeddings by the output `features` and `head.safetensors`.
    Featured,
    /// As `MeanColour`, three times as large.
    Tripled,
    /// As `MeanColour`, with so little added to green that a provider which leaves it out is trusted.
    Greener,
    /// As `Greener`, and no numbers where a colour is missing.
    GreenerIfColourful,
}

/// A bundle named `toy` with the labels red, green and blue.
pub fn bundle(graph: Graph) -> TempDir {
    bundle_with(graph, |_| ())
}

/// The same with another `bundle.json`.
pub fn bundle_with(graph: Graph, change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), graph, change);
    folder
}

/// A bundle with several labels per picture: red holds from a mean of 40 on, green from 83 and blue
/// from 217.
pub fn several_labels() -> TempDir {
    bundle_with(Graph::Featured, |bundle| {
        bundle["task"] = "multi-label".into();
        bundle["thresholds"] = json!([0.6, 0.7, 0.9]);
        bundle["calibration"] = json!({
            "temperature": 100.0, "images": 500, "ece_before": 0.1, "ece_after": 0.1
        });
        bundle["metrics"] = json!({
            "dataset": "colours", "images": 500,
            "fp32_mean_ap": 0.99, "int8_mean_ap": 0.98, "int8_f1": 0.9
        });
    })
}

fn write(folder: &Path, graph: Graph, change: impl FnOnce(&mut Value)) {
    let (model, labels) = (model(graph), b"red\ngreen\nblue\n".to_vec());
    let head = (graph == Graph::Featured).then(head);
    let entry = |content: &[u8]| json!({ "sha256": Sha256Digest::of(content).to_string(), "bytes": content.len() });
    let mut description = json!({
        "schema_version": 2, "name": "toy", "version": "1", "created_at": "2026-01-01T00:00:00Z",
        "files": { "model.onnx": entry(&model), "labels.txt": entry(&labels) },
        "input": { "height": SIDE, "width": SIDE, "channels": 3, "crop": "center",
                   "resize": { "mode": "shorter-side", "size": SIDE } },
        "license": "MIT"
    });
    if let Some(head) = &head {
        description["files"]["head.safetensors"] = entry(head);
    }
    change(&mut description);
    let head = head.map(|head| ("head.safetensors", head));
    for (name, content) in [("model.onnx", model), ("labels.txt", labels)].into_iter().chain(head) {
        std::fs::write(folder.join(name), content).unwrap();
    }
    std::fs::write(folder.join("bundle.json"), description.to_string()).unwrap();
}

const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT64: u64 = 7;
const BOOL: u64 = 9;

/// `model.onnx`, written by hand: the format is protocol buffers (onnx.proto3).
fn model(graph: Graph) -> Vec<u8> {
    let side = Some(u64::from(SIDE));
    let cast = node("Cast", &["image"], "pixels", &attribute("to", 2, &number(3, FLOAT)));
    let axes = integers("axes", &[1, 2]);
    let keep = attribute("keepdims", 2, &number(3, 0));
    let mean = |output| node("ReduceMean", &["pixels"], output, &[&axes[..], &keep].concat());
    let mut content = vec![
        cast,
        value(11, "image", UINT8, &[None, side, side, Some(3)]),
        value(12, "logits", FLOAT, &[None, Some(3)]),
    ];
    match graph {
        Graph::MeanColour => content.push(mean("logits")),
        Graph::Tripled => content.extend([
            mean("mean"),
            node("Mul", &["mean", "three"], "logits", &[]),
            tensor(5, "three", FLOAT, &[], &floats(&[3.0])),
        ]),
        Graph::Greener => content.extend([
            mean("mean"),
            node("Add", &["mean", "bias"], "logits", &[]),
            tensor(5, "bias", FLOAT, &[3], &floats(&[0.0, GREENER, 0.0])),
        ]),
        Graph::GreenerIfColourful => content.extend([
            mean("mean"),
            node("Add", &["mean", "bias"], "greener", &[]),
            node("Log", &["mean"], "logs", &[]),
            node("Mul", &["logs", "nothing"], "nothings", &[]),
            node("Add", &["greener", "nothings"], "logits", &[]),
            tensor(5, "bias", FLOAT, &[3], &floats(&[0.0, GREENER, 0.0])),
            tensor(5, "nothing", FLOAT, &[], &floats(&[0.0])),
        ]),
        Graph::NotANumber => content.extend([
            mean("mean"),
            node("Neg", &["mean"], "negative", &[]),
            node("Log", &["negative"], "logits", &[]),
        ]),
        Graph::Endless => content.extend([
            mean("mean"),
            node("Loop", &["rounds", "go", "mean"], "logits", &rounds()),
            tensor(5, "rounds", INT64, &[], &(1_u64 << 62).to_le_bytes()),
            tensor(5, "go", BOOL, &[], &[1]),
        ]),
        Graph::EndlessIfBright => content.extend([
            mean("mean"),
            node("ReduceMean", &["pixels"], "level", &keep),
            node("Sub", &["level", "grey"], "above", &[]),
            node("Relu", &["above"], "bright", &[]),
            node("Mul", &["bright", "many"], "count", &[]),
            node("Cast", &["count"], "rounds", &attribute("to", 2, &number(3, INT64))),
            node("Loop", &["rounds", "go", "mean"], "logits", &rounds()),
            tensor(5, "grey", FLOAT, &[], &floats(&[127.0])),
            tensor(5, "many", FLOAT, &[], &floats(&[1e12])),
            tensor(5, "go", BOOL, &[], &[1]),
        ]),
        Graph::SlowIfBright => content.extend([
            mean("mean"),
            node("Log", &["mean"], "logs", &[]),
            node("Sub", &["mean", "mean"], "zeros", &[]),
            node("ReduceMean", &["pixels"], "level", &keep),
            node("Sub", &["level", "grey"], "above", &[]),
            node("Relu", &["above"], "bright", &[]),
            node("Mul", &["bright", "many"], "count", &[]),
            node("Cast", &["count"], "rounds", &attribute("to", 2, &number(3, INT64))),
            node("Loop", &["rounds", "go", "zeros"], "later", &rounds()),
            node("Add", &["logs", "later"], "logits", &[]),
            tensor(5, "grey", FLOAT, &[], &floats(&[127.0])),
            tensor(5, "many", FLOAT, &[], &floats(&[SLOW_ROUNDS])),
            tensor(5, "go", BOOL, &[], &[1]),
        ]),
        Graph::Huge(megabytes) => content.extend([
            mean("mean"),
            tensor(5, "shape", INT64, &[1], &(megabytes << 18).to_le_bytes()),
            node("ConstantOfShape", &["shape"], "huge", &[]),
            node("ReduceMax", &["huge"], "most", &keep),
            node("Add", &["mean", "most"], "logits", &[]),
        ]),
        Graph::SlowToLoad => {
            let name = |number: u32| format!("product_{number}");
            content.extend([
                mean("mean"),
                tensor(5, "shape", INT64, &[2], &3000_u64.to_le_bytes().repeat(2)),
                node("ConstantOfShape", &["shape"], &name(0), &[]),
                node("ReduceMax", &[&name(PRODUCTS)], "most", &keep),
                node("Add", &["mean", "most"], "logits", &[]),
            ]);
            let product = |n| node("MatMul", &[&name(n), &name(0)], &name(n + 1), &[]);
            content.extend((0..PRODUCTS).map(product));
        }
        Graph::Explained => content.extend([
            mean("embedding"),
            node("Add", &["embedding", "bias"], "logits", &[]),
            tensor(5, "bias", FLOAT, &[3], &floats(&[1.0, 2.0, 3.0])),
            value(12, "embedding", FLOAT, &[None, Some(3)]),
            class_maps(),
        ]),
        Graph::Featured => content.extend([
            mean("mean"),
            node("Add", &["mean", "bias"], "logits", &[]),
            tensor(5, "bias", FLOAT, &[3], &floats(&[1.0, 2.0, 3.0])),
            node("Transpose", &["pixels"], "features", &integers("perm", &[0, 3, 1, 2])),
            value(12, "features", FLOAT, &[None, Some(3), side, side]),
        ]),
    }
    let graph = [content.concat(), text(2, "toy")].concat();
    let opset = message(8, &number(2, 13));
    [number(1, 8), message(7, &graph), opset].concat()
}

/// The body of a loop, in which each round makes the values larger.
fn rounds() -> Vec<u8> {
    let body = [
        node("Identity", &["go_in"], "go_out", &[]),
        node("Add", &["values_in", "values_in"], "values_out", &[]),
        text(2, "body"),
        value(11, "round", INT64, &[]),
        value(11, "go_in", BOOL, &[]),
        value(11, "values_in", FLOAT, &[None, Some(3)]),
        value(12, "go_out", BOOL, &[]),
        value(12, "values_out", FLOAT, &[None, Some(3)]),
    ];
    attribute("body", 5, &message(6, &body.concat()))
}

/// `head.safetensors` of a layer that gives each colour its own logit, with 1, 2 and 3 added.
fn head() -> Vec<u8> {
    let header = json!({
        "weights": { "dtype": "F32", "shape": [3, 3], "data_offsets": [0, 36] },
        "bias": { "dtype": "F32", "shape": [3], "data_offsets": [36, 48] }
    })
    .to_string();
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    let weights = floats(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    [&length[..], header.as_bytes(), &weights, &floats(&[1.0, 2.0, 3.0])].concat()
}

/// The output that is empty unless the optional input `explain` is given and true.
fn class_maps() -> Vec<u8> {
    let branch = |name, graph: &[Vec<u8>]| {
        let output = value(12, "maps", FLOAT, &[None; 4]);
        let graph = [graph.concat(), text(2, name), output].concat();
        attribute(name, 5, &message(6, &graph))
    };
    let coloured = node("Add", &["pixels", "bias"], "coloured", &[]);
    let turned = node("Transpose", &["coloured"], "maps", &integers("perm", &[0, 3, 1, 2]));
    let nothing = attribute("value", 4, &tensor(5, "", FLOAT, &[0, 0, 0, 0], &[]));
    let nothing = node("Constant", &[], "maps", &nothing);
    let branches =
        [branch("then_branch", &[coloured, turned]), branch("else_branch", &[nothing])].concat();
    [
        node("If", &["explain"], "class_maps", &branches),
        tensor(5, "explain", BOOL, &[], &[0]),
        value(11, "explain", BOOL, &[]),
        value(12, "class_maps", FLOAT, &[None; 4]),
    ]
    .concat()
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[u8]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    let content = [inputs, text(2, output), text(4, operator), attributes.to_vec()];
    message(1, &content.concat())
}

fn attribute(name: &str, kind: u64, value: &[u8]) -> Vec<u8> {
    message(5, &[text(1, name), value.to_vec(), number(20, kind)].concat())
}

fn integers(name: &str, values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| number(8, *value)).collect();
    attribute(name, 7, &values)
}

/// A constant: an initializer, or an attribute's value; both are field 5.
fn tensor(field: u64, name: &str, element: u64, sides: &[u64], raw: &[u8]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| number(1, *side)).collect();
    message(field, &[sides, number(2, element), text(8, name), message(9, raw)].concat())
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// An input or an output; a side that is not known is left open.
fn value(field: u64, name: &str, element: u64, sides: &[Option<u64>]) -> Vec<u8> {
    let dimension =
        |side: &Option<u64>| message(1, &side.map(|side| number(1, side)).unwrap_or_default());
    let shape: Vec<u8> = sides.iter().flat_map(dimension).collect();
    let tensor = [number(1, element), message(2, &shape)].concat();
    message(field, &[text(1, name), message(2, &message(1, &tensor))].concat())
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    message(field, value.as_bytes())
}

fn message(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}
