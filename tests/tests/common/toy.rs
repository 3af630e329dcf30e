//! Bundles with a tiny graph: what a picture's label should be can be said without a trained model.

use std::path::Path;

use glimpse_model_store::Sha256Digest;
use serde_json::json;
use tempfile::TempDir;

/// Side of the input in pixels.
pub const SIDE: u32 = 8;

/// What the graph computes of a picture's mean colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// Logits are the mean red, green and blue: the label is the strongest colour.
    MeanColour,
    /// Logits are not numbers, as a broken model gives.
    NotANumber,
}

/// A bundle named `toy` with the labels red, green and blue.
pub fn bundle(graph: Graph) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), graph);
    folder
}

fn write(folder: &Path, graph: Graph) {
    let (model, labels) = (model(graph), b"red\ngreen\nblue\n".to_vec());
    let entry = |content: &[u8]| json!({ "sha256": Sha256Digest::of(content).to_string(), "bytes": content.len() });
    let description = json!({
        "schema_version": 1, "name": "toy", "version": "1", "created_at": "2026-01-01T00:00:00Z",
        "files": { "model.onnx": entry(&model), "labels.txt": entry(&labels) },
        "input": { "height": SIDE, "width": SIDE, "resize_shorter_side": SIDE,
                   "interpolation": "bilinear-antialias" },
        "license": "MIT"
    });
    let files = [("model.onnx", model), ("labels.txt", labels)];
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
    std::fs::write(folder.join("bundle.json"), description.to_string()).unwrap();
}

/// `model.onnx`, written by hand: the format is protocol buffers (onnx.proto3).
fn model(graph: Graph) -> Vec<u8> {
    const FLOAT: u64 = 1;
    const UINT8: u64 = 2;
    let cast = node("Cast", "image", "pixels", &attribute("to", 2, &number(3, FLOAT)));
    let axes = [number(8, 1), number(8, 2), number(20, 7)].concat();
    let axes = message(5, &[text(1, "axes"), axes].concat());
    let keep = attribute("keepdims", 2, &number(3, 0));
    let mut nodes = vec![cast];
    let mean =
        |output| node("ReduceMean", "pixels", output, &[axes.clone(), keep.clone()].concat());
    match graph {
        Graph::MeanColour => nodes.push(mean("logits")),
        Graph::NotANumber => {
            nodes.push(mean("mean"));
            nodes.push(node("Neg", "mean", "negative", &[]));
            nodes.push(node("Log", "negative", "logits", &[]));
        }
    }
    let side = u64::from(SIDE);
    let input = value(11, "image", UINT8, &[None, Some(side), Some(side), Some(3)]);
    let output = value(12, "logits", FLOAT, &[None, Some(3)]);
    let graph = [nodes.concat(), text(2, "toy"), input, output].concat();
    let opset = message(8, &number(2, 13));
    [number(1, 8), message(7, &graph), opset].concat()
}

fn node(operator: &str, input: &str, output: &str, attributes: &[u8]) -> Vec<u8> {
    let content = [text(1, input), text(2, output), text(4, operator), attributes.to_vec()];
    message(1, &content.concat())
}

fn attribute(name: &str, kind: u64, value: &[u8]) -> Vec<u8> {
    message(5, &[text(1, name), value.to_vec(), number(20, kind)].concat())
}

fn value(field: u64, name: &str, element: u64, sides: &[Option<u64>]) -> Vec<u8> {
    let dimension = |side: &Option<u64>| match side {
        Some(side) => message(1, &number(1, *side)),
        None => message(1, &text(2, "N")),
    };
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
