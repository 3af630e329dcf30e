//! What a load took, for logs and metrics.

use std::time::Duration;

use glimpse_classifier::Classifier;
use glimpse_telemetry::ms;

/// Where a loaded bundle came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadedFrom {
    /// A folder on disk.
    Folder,
    /// Downloaded.
    S3,
    /// The cold-start cache.
    Cache,
}

/// Where the time of one load went. Stages overlap, so they sum to more than `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Where the bundle came from.
    pub loaded_from: LoadedFrom,
    /// Opening the ONNX Runtime library; beside `fetch`.
    pub open_library: Duration,
    /// From the start until all files were read and verified.
    pub fetch: Duration,
    /// Hashing; part of `fetch`.
    pub verify: Duration,
    /// Creating the session.
    pub session: Duration,
    /// From the start until the classifier was ready.
    pub total: Duration,
}

impl LoadedFrom {
    fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
            Self::Cache => "cache",
        }
    }
}

impl LoadReport {
    /// One line with a field per stage, and what runs.
    pub(crate) fn log(&self, classifier: &Classifier) {
        tracing::info!(
            source = self.loaded_from.name(),
            graph = %classifier.graph(),
            provider = classifier.provider(),
            open_library_ms = ms(self.open_library),
            fetch_ms = ms(self.fetch),
            verify_ms = ms(self.verify),
            session_ms = ms(self.session),
            total_ms = ms(self.total),
            "the model is loaded"
        );
    }
}
