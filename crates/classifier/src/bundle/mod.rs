//! `bundle.json`: what a model is, what it expects, and how well it does.

mod graph;
mod input;
mod upgrade;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::BundleError;
use input::MAX_SIDE;

pub use graph::{CpuGraph, Graph};
pub use input::{Crop, Filter, InputSpec, Resize, ResizeMode, Size};

/// The version of the bundle format that this crate reads; it reads version 1 too.
pub const SCHEMA_VERSION: u32 = 2;

/// A class of a multi-label model holds from this score on where the bundle names no thresholds.
const DEFAULT_THRESHOLD: f32 = 0.5;

/// Most characters of a name or a version.
const LONGEST_NAME: usize = 128;

/// Beyond these every score is 0 or 1, or all are the same.
const TEMPERATURES: RangeInclusive<f64> = 0.01..=100.0;

/// The parsed and validated `bundle.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// Version of the format, after conversion from an older one.
    pub schema_version: u32,
    /// The model's name, as in `/v2/models/{name}`.
    pub name: String,
    /// The model's version; a bundle is immutable.
    pub version: String,
    /// RFC 3339 time of making.
    pub created_at: String,
    /// Checksum and size of each file, by file name.
    pub files: BTreeMap<String, FileEntry>,
    /// Where `model.cpu.onnx` may be taken, in a bundle that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_graph: Option<CpuGraph>,
    /// What the graph's input expects.
    pub input: InputSpec,
    /// What the logits mean.
    #[serde(default)]
    pub task: Task,
    /// By class index, the score from which a class of a multi-label model holds, 0…1; without them
    /// it is 0.5 for every class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f32>>,
    /// Accuracy on held-out pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// How scores are made honest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Where the cells of `class_maps` look; without it they share the input evenly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_maps: Option<Cells>,
    /// Reserved for a decision policy.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub decision: Value,
    /// Reserved for what live traffic is compared with.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub profile: Value,
    /// Training command, git commit, seed, weights.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub provenance: Value,
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

/// What the logits mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One class per picture: scores are the softmax of the logits.
    #[default]
    SingleLabel,
    /// Any number of classes per picture: each score is the sigmoid of its logit.
    MultiLabel,
}

/// Accuracy on pictures that training and calibration never saw; fractions in 0…1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// Which pictures.
    pub dataset: String,
    /// How many.
    pub images: u64,
    /// By the task.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What is measured of each task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Figures {
    /// One label per picture.
    SingleLabel {
        /// Top-1 accuracy before quantization.
        fp32_top1: f64,
        /// Top-1 accuracy of `model.onnx`.
        int8_top1: f64,
        /// Top-5 accuracy of `model.onnx`.
        int8_top5: f64,
    },
    /// Several labels per picture.
    MultiLabel {
        /// Mean average precision over the labels before quantization.
        fp32_mean_ap: f64,
        /// The same of `model.onnx`.
        int8_mean_ap: f64,
        /// Mean F1 over the labels at their thresholds.
        int8_f1: f64,
    },
}

/// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), fitted
/// on pictures that training never saw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Calibration {
    /// Logits are divided by it before the softmax or the sigmoids; 0.01 to 100.
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
    /// What logits are divided by before the softmax or the sigmoids: 1 without calibration.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // 0.01 to 100.
    pub fn temperature(&self) -> f32 {
        self.calibration.map_or(1.0, |calibration| calibration.temperature as f32)
    }

    /// Whether a class of a multi-label model holds at this score; nothing for a single label.
    #[must_use]
    pub fn holds(&self, class: usize, score: f32) -> Option<bool> {
        self.threshold(class).map(|threshold| score >= threshold)
    }

    /// The score from which a class of a multi-label model holds; nothing for a single label.
    pub(crate) fn threshold(&self, class: usize) -> Option<f32> {
        let of_class = |all: &Vec<f32>| all.get(class).copied();
        match self.task {
            Task::SingleLabel => None,
            Task::MultiLabel => {
                Some(self.thresholds.as_ref().and_then(of_class).unwrap_or(DEFAULT_THRESHOLD))
            }
        }
    }

    /// Parse and validate `bundle.json`; one of an older version is converted.
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
        let manifest: Self = match schema_version {
            SCHEMA_VERSION => serde_json::from_slice(json)?,
            1 => serde_json::from_value(upgrade::from_1(serde_json::from_slice(json)?)?)?,
            found => {
                return Err(BundleError::SchemaVersion { found, newest: SCHEMA_VERSION });
            }
        };
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), BundleError> {
        check_name("name", &self.name)?;
        check_name("version", &self.version)?;
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
        if self.cpu_graph.is_some() != self.files.contains_key(Graph::Cpu.file()) {
            return Err(BundleError::CpuGraph);
        }
        if let Some(Calibration { temperature, .. }) = self.calibration
            && !TEMPERATURES.contains(&temperature)
        {
            return Err(BundleError::Temperature { found: temperature });
        }
        if let Some(cells) = self.class_maps.filter(|cells| !cells.is_possible()) {
            return Err(BundleError::ClassMaps { stride: cells.stride, first: cells.first });
        }
        self.validate_thresholds()?;
        self.input.validate()
    }

    fn validate_thresholds(&self) -> Result<(), BundleError> {
        let Some(thresholds) = &self.thresholds else { return Ok(()) };
        if self.task == Task::SingleLabel {
            return Err(BundleError::Thresholds("belong to the task multi-label alone"));
        }
        if thresholds.iter().all(|threshold| (0.0..=1.0).contains(threshold)) {
            return Ok(());
        }
        Err(BundleError::Thresholds("must be scores of 0 to 1"))
    }

    /// Refuse labels that the manifest contradicts.
    pub(crate) fn check_labels(&self, labels: usize) -> Result<(), BundleError> {
        match &self.thresholds {
            Some(thresholds) if thresholds.len() != labels => {
                Err(BundleError::Thresholds("must be as many as labels.txt has lines"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuse what would break the addresses of protocols, metrics or log lines.
fn check_name(field: &'static str, value: &str) -> Result<(), BundleError> {
    let length = value.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !value.contains(|c: char| c == '/' || c.is_control())
    {
        return Ok(());
    }
    Err(BundleError::Name { field, longest: LONGEST_NAME })
}

#[cfg(test)]
mod tests;
