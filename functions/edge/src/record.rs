//! A picture's result or error as a line of NDJSON.

use glimpse_classifier::{Manifest, PictureCounts, Prediction, Ranked};
use serde::Serialize;

use crate::name::Name;
use crate::source::Failure;
use crate::stamp::Stamp;

/// A picture that was classified, or could not be.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// What the picture is called.
    #[serde(flatten)]
    pub name: &'a Name,
    /// Which state of the file was seen, where that matters.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Its labels or its error.
    #[serde(flatten)]
    pub outcome: Outcome<'a>,
    /// By which model, where it may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model<'a>>,
}

/// A picture's labels or its error.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome<'a> {
    /// Labels.
    Labels {
        /// The best one.
        #[serde(flatten)]
        top: &'a Ranked,
        /// The best ones, best first.
        predictions: &'a [Ranked],
        /// Every label whose score reaches its threshold, where a picture may have several.
        #[serde(skip_serializing_if = "Option::is_none")]
        labels: Option<&'a [Ranked]>,
        /// How many pictures the file holds, where it holds several.
        #[serde(flatten)]
        counts: PictureCounts,
    },
    /// Why it has none.
    Failure {
        /// Code and detail.
        error: Reason<'a>,
    },
}

/// Why a picture has no label.
#[derive(Debug, Serialize)]
pub struct Reason<'a> {
    /// Stable; the same as in the API where the API has the error too.
    code: &'a str,
    /// For people.
    detail: String,
}

/// A model's name and version.
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    name: &'a str,
    version: &'a str,
}

impl<'a> Outcome<'a> {
    /// Of a result.
    pub fn of(result: Result<&'a Prediction, &'a Failure>) -> Self {
        match result {
            Ok(prediction) => {
                let Prediction { top, predictions, labels, .. } = prediction;
                let labels = labels.as_deref();
                Self::Labels { top, predictions, labels, counts: prediction.counts() }
            }
            Err(failure) => Self::Failure {
                error: Reason { code: failure.code(), detail: failure.to_string() },
            },
        }
    }
}

impl<'a> Model<'a> {
    /// As `bundle.json` names it.
    pub fn of(manifest: &'a Manifest) -> Self {
        Self { name: &manifest.name, version: &manifest.version }
    }
}

impl Record<'_> {
    /// The record with a line feed. A record of text and numbers can always be written.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
