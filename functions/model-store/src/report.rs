//! What a load took, for logs and metrics.

use std::time::Duration;

/// Where a loaded bundle came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
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
    pub source: Origin,
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
