//! The result document. Deterministic: the same object and model give the same bytes.

use glimpse_classifier::{Manifest, PictureCounts, Prediction, Ranked};
use serde::{Deserialize, Serialize};

use crate::object::Object;
use crate::sequencer::Sequencer;

/// The version of the form; `docs/s3-events.md` documents it.
const SCHEMA_VERSION: u32 = 1;

/// The content of a result object.
#[derive(Debug, Serialize)]
pub(crate) struct ResultDocument<'a> {
    schema_version: u32,
    source: SourceObject,
    model: Model,
    #[serde(flatten)]
    content: &'a Content,
}

/// The object that was classified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceObject {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) etag: Option<String>,
    pub(crate) version_id: Option<String>,
    pub(crate) sequencer: Option<String>,
}

/// By which model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Labels, or the reason that the picture has no label.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Labels {
        #[serde(flatten)]
        top: Ranked,
        predictions: Vec<Ranked>,
        /// Every label whose score reaches its threshold, where a picture may have several.
        #[serde(skip_serializing_if = "Option::is_none")]
        labels: Option<Vec<Ranked>>,
        #[serde(flatten)]
        counts: PictureCounts,
    },
    Error {
        error: Refusal,
    },
}

/// Why the object has no label, under the HTTP API's code for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// What an existing result is the result of.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Head {
    pub(crate) source: SourceObject,
    pub(crate) model: Model,
}

impl ResultDocument<'_> {
    /// The bytes of the result object; the same for the same object, model and sequencer.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl<'a> ResultDocument<'a> {
    pub(crate) fn new(source: SourceObject, model: Model, content: &'a Content) -> Self {
        Self { schema_version: SCHEMA_VERSION, source, model, content }
    }
}

impl SourceObject {
    /// `object` as it was found: with the tag and version of what was read.
    pub(crate) fn of(object: &Object, sequencer: Option<&Sequencer>) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            etag: object.etag.clone(),
            version_id: object.version_id.clone(),
            sequencer: sequencer.map(|sequencer| sequencer.as_str().to_owned()),
        }
    }

    pub(crate) fn sequencer(&self) -> Option<Sequencer> {
        Sequencer::parse(self.sequencer.as_deref()?).ok()
    }
}

impl From<&Manifest> for Model {
    fn from(manifest: &Manifest) -> Self {
        Self { name: manifest.name.clone(), version: manifest.version.clone() }
    }
}

impl From<Prediction> for Content {
    fn from(prediction: Prediction) -> Self {
        let counts = prediction.counts();
        let Prediction { top, predictions, labels, .. } = prediction;
        Self::Labels { top, predictions, labels, counts }
    }
}

impl Content {
    /// A picture that is refused under `code`.
    pub(crate) fn refused(code: &'static str, detail: &dyn std::fmt::Display) -> Self {
        Self::Error { error: Refusal { code, detail: detail.to_string() } }
    }

    /// The code, where it is an error.
    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Labels { .. } => None,
            Self::Error { error } => Some(error.code),
        }
    }
}
