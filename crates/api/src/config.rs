//! What the API takes from the environment, read once.

use std::time::Duration;

/// A larger batch cannot be configured.
pub(crate) const MAX_BATCH: usize = 1024;

const DEFAULT_EXPIRY_SECONDS: usize = 300;
/// A day: a longer errand asks for another address.
const MAX_EXPIRY_SECONDS: usize = 86_400;

/// Limits of the API. [`ApiConfig::from_env`] documents the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Most pictures in one request.
    pub max_batch: usize,
    /// Buckets that `{"s3": …}` requests may name; none by default.
    pub s3_buckets: Vec<String>,
    /// Largest object in bytes that such a request may name.
    pub max_object_bytes: usize,
    /// Time for a request's whole body to arrive.
    pub body_timeout: Duration,
    /// Where pictures can be uploaded to; nowhere by default.
    pub uploads: Option<UploadsConfig>,
}

/// Uploads past the limits of a request, and where their results come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadsConfig {
    /// The bucket that is uploaded to.
    pub bucket: String,
    /// The bucket of the results.
    pub results_bucket: String,
    /// How long an address for an upload can be used.
    pub expiry: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 << 20,
            max_batch: 16,
            s3_buckets: Vec::new(),
            max_object_bytes: 20 << 20,
            body_timeout: Duration::from_secs(30),
            uploads: None,
        }
    }
}

/// A variable has a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No number, or out of range.
    #[error("{variable}={value}: expected a whole number from 1 to {maximum}")]
    Number {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// The largest that makes sense.
        maximum: usize,
    },
    /// Results would be taken for uploads.
    #[error(
        "GLIMPSE_UPLOADS_BUCKET={bucket}, and so is GLIMPSE_RESULTS_BUCKET; expected another bucket"
    )]
    OneBucket {
        /// The bucket of both.
        bucket: String,
    },
}

impl ApiConfig {
    /// Read `GLIMPSE_MAX_BODY_BYTES` (default 10 MiB), `GLIMPSE_MAX_BATCH` (16),
    /// `GLIMPSE_S3_BUCKETS` (comma-separated, none) and `GLIMPSE_MAX_OBJECT_BYTES` (20 MiB),
    /// and `GLIMPSE_BODY_TIMEOUT_MS` (30,000). Where both are set, `GLIMPSE_UPLOADS_BUCKET` and
    /// `GLIMPSE_RESULTS_BUCKET` open `POST /uploads`, with addresses that expire after
    /// `GLIMPSE_UPLOAD_EXPIRY_SECONDS` (300).
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same from any source of variables.
    ///
    /// # Errors
    /// As [`ApiConfig::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let number = |variable, default, maximum| match lookup(variable) {
            None => Ok(default),
            Some(value) => match value.parse() {
                Ok(number) if (1..=maximum).contains(&number) => Ok(number),
                _ => Err(ConfigError::Number { variable, value, maximum }),
            },
        };
        let defaults = Self::default();
        let body_timeout_ms = number("GLIMPSE_BODY_TIMEOUT_MS", 30_000, 3_600_000)?;
        let buckets = lookup("GLIMPSE_S3_BUCKETS").unwrap_or_default();
        Ok(Self {
            max_body_bytes: number("GLIMPSE_MAX_BODY_BYTES", defaults.max_body_bytes, 1 << 30)?,
            max_batch: number("GLIMPSE_MAX_BATCH", defaults.max_batch, MAX_BATCH)?,
            s3_buckets: buckets
                .split(',')
                .map(|bucket| bucket.trim().to_owned())
                .filter(|bucket| !bucket.is_empty())
                .collect(),
            max_object_bytes: number(
                "GLIMPSE_MAX_OBJECT_BYTES",
                defaults.max_object_bytes,
                1 << 30,
            )?,
            body_timeout: Duration::from_millis(body_timeout_ms as u64),
            uploads: uploads(
                &lookup,
                number(
                    "GLIMPSE_UPLOAD_EXPIRY_SECONDS",
                    DEFAULT_EXPIRY_SECONDS,
                    MAX_EXPIRY_SECONDS,
                )?,
            )?,
        })
    }
}

fn uploads(
    lookup: &impl Fn(&str) -> Option<String>,
    expiry_seconds: usize,
) -> Result<Option<UploadsConfig>, ConfigError> {
    let bucket = |name| lookup(name).filter(|bucket| !bucket.is_empty());
    let Some((bucket, results_bucket)) =
        bucket("GLIMPSE_UPLOADS_BUCKET").zip(bucket("GLIMPSE_RESULTS_BUCKET"))
    else {
        return Ok(None);
    };
    if bucket == results_bucket {
        return Err(ConfigError::OneBucket { bucket });
    }
    let expiry = Duration::from_secs(expiry_seconds as u64);
    Ok(Some(UploadsConfig { bucket, results_bucket, expiry }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_value_is_named_with_its_variable() {
        let error =
            ApiConfig::from_lookup(|name| (name == "GLIMPSE_MAX_BATCH").then(|| "many".to_owned()));
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "GLIMPSE_MAX_BATCH=many: expected a whole number from 1 to 1024");
    }

    #[test]
    fn buckets_are_a_comma_separated_list() {
        let config = ApiConfig::from_lookup(|name| {
            (name == "GLIMPSE_S3_BUCKETS").then(|| "claims, tiles,".to_owned())
        })
        .unwrap();
        assert_eq!(config.s3_buckets, ["claims", "tiles"]);
        assert_eq!(ApiConfig::from_lookup(|_| None).unwrap(), ApiConfig::default());
    }

    #[test]
    fn uploads_need_two_buckets() {
        let read = |uploads: &str, results: &str| {
            ApiConfig::from_lookup(|name| match name {
                "GLIMPSE_UPLOADS_BUCKET" => Some(uploads.to_owned()),
                "GLIMPSE_RESULTS_BUCKET" => Some(results.to_owned()),
                _ => None,
            })
        };
        assert_eq!(read("in", "").unwrap().uploads, None);
        let uploads = read("in", "out").unwrap().uploads.unwrap();
        assert_eq!(uploads.expiry, Duration::from_secs(300));
        assert_eq!(read("in", "in"), Err(ConfigError::OneBucket { bucket: "in".to_owned() }));
    }
}
