//! The API's own limits as flags; the same variables as in the Lambda function.

use std::time::Duration;

use clap::Args;
use glimpse_api::{ApiConfig, UploadsConfig, settings};
use glimpse_settings::List;

use crate::error::Error;
use crate::flags;

/// What a request may ask for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestArguments {
    /// Largest body in bytes
    #[arg(long, env = settings::MAX_BODY_BYTES.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_BODY_BYTES.default)]
    #[arg(value_parser = flags::number(&settings::MAX_BODY_BYTES))]
    max_body_bytes: usize,
    /// Time for a body to arrive
    #[arg(long, env = settings::BODY_TIMEOUT_MS.variable, hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = settings::BODY_TIMEOUT_MS.default)]
    #[arg(value_parser = flags::number(&settings::BODY_TIMEOUT_MS))]
    body_timeout_ms: u64,
    /// Most pictures in one request
    #[arg(long, env = settings::MAX_BATCH.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_BATCH.default)]
    #[arg(value_parser = flags::number(&settings::MAX_BATCH))]
    max_batch: usize,
    /// Most pixels of the pictures of one request together
    #[arg(long, env = settings::MAX_REQUEST_PIXELS.variable, hide_env_values = true)]
    #[arg(value_name = "N", default_value_t = settings::MAX_REQUEST_PIXELS.default)]
    #[arg(value_parser = flags::number(&settings::MAX_REQUEST_PIXELS))]
    max_request_pixels: u64,
    /// Buckets that a request may name, comma-separated; by default none
    #[arg(long, env = settings::S3_BUCKETS, hide_env_values = true, value_name = "NAMES")]
    s3_buckets: Option<List>,
    /// Largest object that a request may name, in bytes
    #[arg(long, env = settings::MAX_OBJECT_BYTES.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_OBJECT_BYTES.default)]
    #[arg(value_parser = flags::number(&settings::MAX_OBJECT_BYTES))]
    max_object_bytes: usize,
    /// Bucket for POST /uploads, which needs a results bucket too; by default there are no uploads
    #[arg(long, env = settings::UPLOADS_BUCKET, hide_env_values = true, value_name = "NAME")]
    uploads_bucket: Option<String>,
    /// Bucket that the results of uploads are written to
    #[arg(long, env = settings::RESULTS_BUCKET, hide_env_values = true, value_name = "NAME")]
    results_bucket: Option<String>,
    /// How long the address for an upload can be used
    #[arg(long, env = settings::UPLOAD_EXPIRY_SECONDS.variable, hide_env_values = true)]
    #[arg(value_name = "SECONDS", default_value_t = settings::UPLOAD_EXPIRY_SECONDS.default)]
    #[arg(value_parser = flags::number(&settings::UPLOAD_EXPIRY_SECONDS))]
    upload_expiry_seconds: u64,
    /// Largest upload in bytes
    #[arg(long, env = settings::MAX_UPLOAD_BYTES.variable, hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = settings::MAX_UPLOAD_BYTES.default)]
    #[arg(value_parser = flags::number(&settings::MAX_UPLOAD_BYTES))]
    max_upload_bytes: usize,
}

impl RequestArguments {
    /// As the API takes them.
    ///
    /// # Errors
    /// When uploads and results share a bucket.
    pub fn config(&self, memory_budget: Option<u64>) -> Result<ApiConfig, Error> {
        Ok(ApiConfig {
            max_body_bytes: self.max_body_bytes,
            max_batch: self.max_batch,
            max_request_pixels: self.max_request_pixels,
            // A request that takes too long is answered so, and others go on beside it.
            max_request_time: Duration::MAX,
            memory_budget,
            s3_buckets: self.s3_buckets.clone().unwrap_or_default().0,
            max_object_bytes: self.max_object_bytes,
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            uploads: UploadsConfig::new(
                self.uploads_bucket.clone(),
                self.results_bucket.clone(),
                Duration::from_secs(self.upload_expiry_seconds),
                self.max_upload_bytes,
            )?,
        })
    }
}
