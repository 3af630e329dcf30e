//! `bundle.json` of schema version 1, in the form of version 2.

use serde::Deserialize;
use serde_json::{Value, json};

use super::SCHEMA_VERSION;

/// `input` of version 1: torchvision's evaluation transform was the only one.
#[derive(Deserialize)]
struct Input {
    height: u32,
    width: u32,
    resize_shorter_side: u32,
    interpolation: Interpolation,
}

#[derive(Deserialize)]
enum Interpolation {
    #[serde(rename = "bilinear-antialias")]
    BilinearAntialias,
}

/// The same bundle in the form of version 2.
pub(super) fn from_1(mut manifest: Value) -> serde_json::Result<Value> {
    let input = manifest.get("input").cloned().unwrap_or_default();
    let Input { height, width, resize_shorter_side: size, interpolation } =
        Input::deserialize(input)?;
    let Interpolation::BilinearAntialias = interpolation;
    manifest["schema_version"] = SCHEMA_VERSION.into();
    manifest["input"] = json!({
        "height": height,
        "width": width,
        "channels": 3,
        "resize": {"mode": "shorter-side", "size": size, "filter": "bilinear", "antialias": true},
        "crop": "center",
    });
    Ok(manifest)
}
