//! `bundle.json`: what a model is, what it expects, and how well it does.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::BundleError;

/// The version of the bundle format that this crate reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Input sides beyond this are a mistake in the file, not a model.
const MAX_SIDE: u32 = 4096;

/// Beyond these every score is 0 or 1, or all are the same.
const TEMPERATURES: RangeInclusive<f64> = 0.01..=100.0;

/// The parsed and validated `bundle.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// Version of the format.
    pub schema_version: u32,
    /// The model's name, as in `/v2/models/{name}`.
    pub name: String,
    /// The model's version; a bundle is immutable.
    pub version: String,
    /// RFC 3339 time of making.
    pub created_at: String,
    /// Checksum and size of each file, by file name.
    pub files: BTreeMap<String, FileEntry>,
    /// What the graph's input expects.
    pub input: InputSpec,
    /// Accuracy on held-out pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// How scores are made honest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Where the cells of `class_maps` look; without it they share the input evenly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_maps: Option<Cells>,
    /// Training command, git commit, seed, weights.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub provenance: serde_json::Value,
    /// SPDX expression or a sentence.
    pub license: String,
}

/// Checksum and size of one file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// The shape of the graph's input `image`, uint8 `[N, height, width, 3]`, and how to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InputSpec {
    /// Pixels.
    pub height: u32,
    /// Pixels.
    pub width: u32,
    /// The shorter side is resized to this many pixels before the centre is cropped.
    pub resize_shorter_side: u32,
    /// How it is resized.
    pub interpolation: Interpolation,
}

impl InputSpec {
    /// Bytes of one picture at the input size.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.height as usize * self.width as usize * 3
    }
}

/// The resampling filter; the format knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Interpolation {
    /// torchvision's `Resize(antialias=True)`, Pillow's `BILINEAR`.
    #[serde(rename = "bilinear-antialias")]
    BilinearAntialias,
}

/// Accuracy on pictures that training and calibration never saw; fractions in 0…1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// Which pictures.
    pub dataset: String,
    /// How many.
    pub images: u64,
    /// Top-1 accuracy before quantization.
    pub fp32_top1: f64,
    /// Top-1 accuracy of `model.onnx`.
    pub int8_top1: f64,
    /// Top-5 accuracy of `model.onnx`.
    pub int8_top5: f64,
}

/// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), fitted
/// on pictures that training never saw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Calibration {
    /// Logits are divided by it before the softmax; 0.01 to 100.
    pub temperature: f64,
    /// How many pictures it was fitted on.
    pub images: u64,
    /// Expected calibration error without it, 0…1.
    pub ece_before: f64,
    /// The same with it.
    pub ece_after: f64,
}

/// The grid of a class map, the same along both axes: cell i of a row is centred at
/// `first + stride × i`, in pixels from the edge of the input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cells {
    /// Pixels between the centres of neighbours; above 0.
    pub stride: u32,
    /// Pixels from the edge to the first cell's centre.
    pub first: f64,
}

impl Cells {
    fn is_possible(&self) -> bool {
        (1..=MAX_SIDE).contains(&self.stride) && self.first.abs() <= f64::from(MAX_SIDE)
    }
}

impl Manifest {
    /// What logits are divided by before the softmax: 1 for a bundle without calibration.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // 0.01 to 100.
    pub fn temperature(&self) -> f32 {
        self.calibration.map_or(1.0, |calibration| calibration.temperature as f32)
    }

    /// Parse and validate `bundle.json`.
    ///
    /// # Errors
    /// When the JSON is not of the documented form, of another schema version, or contradicts itself.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        /// The version is read first, so that a newer file is refused as newer, not as malformed.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version } = serde_json::from_slice(json)?;
        if schema_version != SCHEMA_VERSION {
            return Err(BundleError::SchemaVersion {
                found: schema_version,
                expected: SCHEMA_VERSION,
            });
        }
        let manifest: Self = serde_json::from_slice(json)?;
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), BundleError> {
        for file in ["model.onnx", "labels.txt"] {
            if !self.files.contains_key(file) {
                return Err(BundleError::MissingFile(file));
            }
        }
        for (file, entry) in &self.files {
            let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
            if entry.sha256.len() != 64 || !entry.sha256.bytes().all(hex) {
                return Err(BundleError::Checksum { file: file.clone() });
            }
        }
        if let Some(Calibration { temperature, .. }) = self.calibration
            && !TEMPERATURES.contains(&temperature)
        {
            return Err(BundleError::Temperature { found: temperature });
        }
        if let Some(cells) = self.class_maps.filter(|cells| !cells.is_possible()) {
            return Err(BundleError::ClassMaps { stride: cells.stride, first: cells.first });
        }
        let InputSpec { height, width, resize_shorter_side: shorter, .. } = self.input;
        let refuse = |reason| Err(BundleError::Input { width, height, shorter, reason });
        if height == 0 || width == 0 || shorter.max(height).max(width) > MAX_SIDE {
            return refuse("sides must be 1 to 4096 pixels");
        }
        if shorter < height.max(width) {
            return refuse("the shorter side must cover the crop");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let file = serde_json::json!({"sha256": "0".repeat(64), "bytes": 1});
        let mut value = serde_json::json!({
            "schema_version": 1, "name": "m", "version": "1", "created_at": "2026-01-01T00:00:00Z",
            "files": {"model.onnx": file, "labels.txt": file},
            "input": {"height": 224, "width": 224, "resize_shorter_side": 256,
                      "interpolation": "bilinear-antialias"},
            "license": "MIT"
        });
        change(&mut value);
        value.to_string().into_bytes()
    }

    #[test]
    fn the_documented_form_is_read() {
        let manifest = Manifest::parse(&json(|_| ())).unwrap();
        assert_eq!(manifest.input.bytes(), 224 * 224 * 3);
    }

    #[test]
    fn a_newer_schema_is_named_even_when_its_form_is_unknown() {
        let error = Manifest::parse(br#"{"schema_version": 2, "files": []}"#).unwrap_err();
        assert!(matches!(error, BundleError::SchemaVersion { found: 2, expected: 1 }));
    }

    #[test]
    fn contradictions_are_refused() {
        let parse =
            |change: fn(&mut serde_json::Value)| Manifest::parse(&json(change)).unwrap_err();
        let missing = parse(|v| drop(v["files"].as_object_mut().unwrap().remove("labels.txt")));
        assert!(matches!(missing, BundleError::MissingFile("labels.txt")));
        let checksum = parse(|v| v["files"]["model.onnx"]["sha256"] = "xyz".into());
        assert!(matches!(checksum, BundleError::Checksum { file } if file == "model.onnx"));
        let crop = parse(|v| v["input"]["resize_shorter_side"] = 128.into());
        assert!(matches!(crop, BundleError::Input { shorter: 128, .. }));
        let zero = parse(|v| v["input"]["width"] = 0.into());
        assert!(matches!(zero, BundleError::Input { width: 0, .. }));
        let heat = |temperature: f64| {
            move |v: &mut serde_json::Value| {
                v["calibration"] = serde_json::json!({
                    "temperature": temperature, "images": 1, "ece_before": 0.2, "ece_after": 0.1
                });
            }
        };
        assert_eq!(Manifest::parse(&json(heat(1.5))).unwrap().temperature(), 1.5);
        for (stride, first) in [(0, 0.5), (1_000_000_000, 0.5), (32, 1e300)] {
            let maps = |v: &mut serde_json::Value| {
                v["class_maps"] = serde_json::json!({"stride": stride, "first": first});
            };
            let error = Manifest::parse(&json(maps)).unwrap_err();
            assert!(matches!(error, BundleError::ClassMaps { stride: s, .. } if s == stride));
        }
        for wrong in [0.0, -1.0, 1e-300, 1e300] {
            let error = Manifest::parse(&json(heat(wrong))).unwrap_err();
            assert!(matches!(error, BundleError::Temperature { found } if found == wrong));
        }
        let filter = parse(|v| v["input"]["interpolation"] = "nearest".into());
        assert!(matches!(filter, BundleError::Json(_)));
    }
}
