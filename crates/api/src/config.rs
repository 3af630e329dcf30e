//! The API's settings, read from environment variables.

use std::time::Duration;

use glimpse_budget::{Share, read_budget, read_decoding_time, read_within};
use glimpse_settings::{SettingError, Strings};

/// A larger batch cannot be configured.
pub(crate) const MAX_BATCH: usize = 1024;

/// Names of the variables, defaults and ranges.
pub mod settings {
    use glimpse_settings::Number;

    use super::MAX_BATCH as LARGEST_BATCH;

    /// Largest request body.
    pub const MAX_BODY_BYTES: Number<usize> =
        Number::new("GLIMPSE_MAX_BODY_BYTES", 10 << 20, 1..=1 << 30);
    /// Most pictures in one request.
    pub const MAX_BATCH: Number<usize> = Number::new("GLIMPSE_MAX_BATCH", 16, 1..=LARGEST_BATCH);
    /// Most pixels of the pictures of one request together.
    pub const MAX_REQUEST_PIXELS: Number<u64> =
        Number::new("GLIMPSE_MAX_REQUEST_PIXELS", 200_000_000, 1..=u64::MAX);
    /// Buckets that a request may name.
    pub const S3_BUCKETS: &str = "GLIMPSE_S3_BUCKETS";
    /// Largest object that a request may name.
    pub const MAX_OBJECT_BYTES: Number<usize> =
        Number::new("GLIMPSE_MAX_OBJECT_BYTES", 20 << 20, 1..=1 << 30);
    /// Time for a body to arrive.
    pub const BODY_TIMEOUT_MS: Number<u64> =
        Number::new("GLIMPSE_BODY_TIMEOUT_MS", 30_000, 1..=3_600_000);
    /// Where pictures are uploaded to.
    pub const UPLOADS_BUCKET: &str = "GLIMPSE_UPLOADS_BUCKET";
    /// Where the results of uploads are.
    pub const RESULTS_BUCKET: &str = "GLIMPSE_RESULTS_BUCKET";
    /// Largest picture that is given an address.
    pub const MAX_UPLOAD_BYTES: Number<usize> =
        Number::new("GLIMPSE_MAX_UPLOAD_BYTES", 20 << 20, 1..=1 << 30);
    /// How long an address for an upload can be used; up to a day.
    pub const UPLOAD_EXPIRY_SECONDS: Number<u64> =
        Number::new("GLIMPSE_UPLOAD_EXPIRY_SECONDS", 300, 1..=86_400);
}

/// Limits of the API. [`ApiConfig::read`] documents the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Most pictures in one request.
    pub max_batch: usize,
    /// Most pixels of the pictures of one request together.
    pub max_request_pixels: u64,
    /// Longest that decoding the pictures of one request together may be estimated to take on one
    /// core. In a Lambda function it follows from the memory size; elsewhere no limit applies.
    pub max_request_time: Duration,
    /// Bytes for bodies and pictures; by default what the model leaves of the memory.
    pub memory_budget: Option<u64>,
    /// Buckets that `{"s3": …}` requests may name; none by default.
    pub s3_buckets: Vec<String>,
    /// Largest object in bytes that such a request may name.
    pub max_object_bytes: usize,
    /// Time for a request's whole body to arrive.
    pub body_timeout: Duration,
    /// Where pictures can be uploaded to; nowhere by default.
    pub uploads: Option<UploadsConfig>,
}

/// Uploads past the limits of a request, and where their results are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadsConfig {
    /// The bucket that is uploaded to.
    pub bucket: String,
    /// The bucket of the results.
    pub results_bucket: String,
    /// How long an address for an upload can be used.
    pub expiry: Duration,
    /// Largest upload in bytes.
    pub max_bytes: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: settings::MAX_BODY_BYTES.default,
            max_batch: settings::MAX_BATCH.default,
            max_request_pixels: settings::MAX_REQUEST_PIXELS.default,
            max_request_time: Duration::MAX,
            memory_budget: None,
            s3_buckets: Vec::new(),
            max_object_bytes: settings::MAX_OBJECT_BYTES.default,
            body_timeout: Duration::from_millis(settings::BODY_TIMEOUT_MS.default),
            uploads: None,
        }
    }
}

impl ApiConfig {
    /// Read `GLIMPSE_MAX_BODY_BYTES` (default 10 MiB), `GLIMPSE_MAX_BATCH` (16),
    /// `GLIMPSE_MAX_REQUEST_PIXELS` (200 megapixels), `GLIMPSE_MEMORY_BUDGET` (from the machine),
    /// `GLIMPSE_S3_BUCKETS` (comma-separated, none) and `GLIMPSE_MAX_OBJECT_BYTES` (20 MiB),
    /// and `GLIMPSE_BODY_TIMEOUT_MS` (30,000). Where both are set, `GLIMPSE_UPLOADS_BUCKET` and
    /// `GLIMPSE_RESULTS_BUCKET` open `POST /uploads`, for pictures of up to `GLIMPSE_MAX_UPLOAD_BYTES`
    /// (20 MiB), with addresses that expire after `GLIMPSE_UPLOAD_EXPIRY_SECONDS` (300).
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn read(environment: &impl Strings) -> Result<Self, SettingError> {
        let expiry = settings::UPLOAD_EXPIRY_SECONDS.read_seconds(environment)?;
        let max_upload = settings::MAX_UPLOAD_BYTES.read(environment)?;
        let uploads = environment.text(settings::UPLOADS_BUCKET)?;
        let in_memory = |share: Share| share.bodies;
        let results = environment.text(settings::RESULTS_BUCKET)?;
        Ok(Self {
            max_body_bytes: settings::MAX_BODY_BYTES.read(environment)?,
            max_batch: settings::MAX_BATCH.read(environment)?,
            max_request_pixels: settings::MAX_REQUEST_PIXELS.read(environment)?,
            max_request_time: read_decoding_time(environment)?,
            memory_budget: read_budget(environment)?,
            s3_buckets: environment.list(settings::S3_BUCKETS)?,
            max_object_bytes: read_within(&settings::MAX_OBJECT_BYTES, environment, in_memory)?,
            body_timeout: settings::BODY_TIMEOUT_MS.read_millis(environment)?,
            uploads: UploadsConfig::new(uploads, results, expiry, max_upload)?,
        })
    }
}

impl UploadsConfig {
    /// Uploads, where both buckets are named.
    ///
    /// # Errors
    /// When they are the same: results would be taken for uploads.
    pub fn new(
        bucket: Option<String>,
        results_bucket: Option<String>,
        expiry: Duration,
        max_bytes: usize,
    ) -> Result<Option<Self>, SettingError> {
        let Some((bucket, results_bucket)) = bucket.zip(results_bucket) else { return Ok(None) };
        if bucket == results_bucket {
            let expected = "another bucket than GLIMPSE_UPLOADS_BUCKET";
            return Err(SettingError::invalid(settings::RESULTS_BUCKET, bucket, expected));
        }
        Ok(Some(Self { bucket, results_bucket, expiry, max_bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_value_is_named_with_its_variable() {
        let error = ApiConfig::read(&[("GLIMPSE_MAX_BATCH", "many")]).unwrap_err().to_string();
        assert_eq!(error, "GLIMPSE_MAX_BATCH is `many`; expected a whole number from 1 to 1024");
    }

    #[test]
    fn without_variables_the_defaults_hold() {
        assert_eq!(ApiConfig::read(&[]).unwrap(), ApiConfig::default());
        assert_eq!(ApiConfig::read(&[("GLIMPSE_MAX_BATCH", "")]).unwrap(), ApiConfig::default());
    }

    #[test]
    fn buckets_are_a_comma_separated_list() {
        let config = ApiConfig::read(&[("GLIMPSE_S3_BUCKETS", "claims, tiles,")]).unwrap();
        assert_eq!(config.s3_buckets, ["claims", "tiles"]);
    }

    #[test]
    fn uploads_need_two_buckets() {
        let read = |uploads, results| {
            ApiConfig::read(&[
                ("GLIMPSE_UPLOADS_BUCKET", uploads),
                ("GLIMPSE_RESULTS_BUCKET", results),
            ])
        };
        assert_eq!(read("in", "").unwrap().uploads, None);
        let uploads = read("in", "out").unwrap().uploads.unwrap();
        assert_eq!(uploads.expiry, Duration::from_secs(300));
        assert_eq!(
            read("in", "in").unwrap_err().to_string(),
            "GLIMPSE_RESULTS_BUCKET is `in`; expected another bucket than GLIMPSE_UPLOADS_BUCKET"
        );
    }
}
