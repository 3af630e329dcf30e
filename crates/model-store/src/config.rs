//! What the store is told, from environment variables with defaults in one place.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use glimpse_classifier::Limits;

use crate::digest::Sha256Digest;

/// Where AWS Lambda unpacks the layer that holds ONNX Runtime.
const LAYER_LIBRARY: &str = "/opt/lib/libonnxruntime.so";
const LOAD_DEADLINE: Duration = Duration::from_secs(20);
const MAX_MODEL_BYTES: u64 = 512 << 20;
/// 16-bit RGBA, the widest pixel that a decoder gives.
const BYTES_PER_PIXEL: u64 = 8;

/// Where the bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder that holds the three files.
    Folder(PathBuf),
    /// `s3://bucket/prefix`; the prefix has no slash at its ends and may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What stands before `/bundle.json` in the keys.
        prefix: String,
    },
}

/// Everything the store is told.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `GLIMPSE_MODEL_URI`: `s3://bucket/prefix` or a folder. Required.
    pub source: ModelSource,
    /// `GLIMPSE_MODEL_SHA256`: the SHA-256 of `bundle.json`, which pins the whole bundle.
    pub pin: Option<Sha256Digest>,
    /// `GLIMPSE_CACHE_DIR`: where downloaded bundles are kept. Unset: `glimpse` in the temp folder.
    /// Only a folder that is set serves an unpinned bundle while S3 cannot be reached.
    pub cache_dir: Option<PathBuf>,
    /// `GLIMPSE_ORT_LIBRARY`: the ONNX Runtime library. Default: `/opt/lib/libonnxruntime.so`.
    pub ort_library: PathBuf,
    /// `GLIMPSE_THREADS`: threads of one run. Unset: on Lambda the processors that its memory pays
    /// for, elsewhere all.
    pub threads: Option<NonZeroUsize>,
    /// `GLIMPSE_MAX_IMAGE_PIXELS` (default 50,000,000), for the classifier.
    pub limits: Limits,
    /// `GLIMPSE_LOAD_TIMEOUT_MS`: time for a whole load. Default: 20,000.
    pub load_deadline: Duration,
    /// `GLIMPSE_MAX_MODEL_BYTES`: a larger model is refused. Default: 512 MiB.
    pub max_model_bytes: u64,
}

/// An environment variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Required, and absent or empty.
    #[error("{variable} is not set; expected {expected}")]
    Unset {
        /// Its name.
        variable: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// Set to something else than expected.
    #[error("{variable} is `{value}`; expected {expected}")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl StoreConfig {
    /// Defaults for everything but the source.
    #[must_use]
    pub fn new(source: ModelSource) -> Self {
        Self {
            source,
            pin: None,
            cache_dir: None,
            ort_library: LAYER_LIBRARY.into(),
            threads: None,
            limits: Limits::default(),
            load_deadline: LOAD_DEADLINE,
            max_model_bytes: MAX_MODEL_BYTES,
        }
    }

    /// Read the environment.
    ///
    /// # Errors
    /// Names the variable, its value, and what was expected.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|variable| std::env::var(variable).ok())
    }

    /// Read variables through `lookup`; an empty value counts as unset.
    ///
    /// # Errors
    /// Names the variable, its value, and what was expected.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const URI: &str = "GLIMPSE_MODEL_URI";
        const URI_FORM: &str = "s3://bucket/prefix or the path of a folder";
        let lookup = |variable: &str| lookup(variable).filter(|value| !value.is_empty());
        let uri = lookup(URI).ok_or(ConfigError::Unset { variable: URI, expected: URI_FORM })?;
        let source = parse_source(&uri).ok_or_else(|| ConfigError::Invalid {
            variable: URI,
            value: uri.clone(),
            expected: URI_FORM,
        })?;
        let mut config = Self::new(source);
        let digest = "the SHA-256 of bundle.json, 64 hexadecimal digits";
        config.pin = parse(&lookup, "GLIMPSE_MODEL_SHA256", digest)?;
        config.cache_dir = lookup("GLIMPSE_CACHE_DIR").map(PathBuf::from);
        if let Some(library) = lookup("GLIMPSE_ORT_LIBRARY") {
            config.ort_library = library.into();
        }
        config.threads = parse(&lookup, "GLIMPSE_THREADS", "a whole number over 0")?
            .or_else(|| processors_of(&lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?));
        if let Some(pixels) = positive(&lookup, "GLIMPSE_MAX_IMAGE_PIXELS")? {
            let bytes = pixels.saturating_mul(BYTES_PER_PIXEL);
            config.limits.max_pixels = pixels;
            config.limits.max_decoded_bytes = config.limits.max_decoded_bytes.max(bytes);
        }
        if let Some(millis) = positive(&lookup, "GLIMPSE_LOAD_TIMEOUT_MS")? {
            config.load_deadline = Duration::from_millis(millis);
        }
        if let Some(bytes) = positive(&lookup, "GLIMPSE_MAX_MODEL_BYTES")? {
            config.max_model_bytes = bytes;
        }
        Ok(config)
    }
}

/// The processors that a Lambda function's memory pays for. More of them are shown, but the time of
/// one comes with each 1,769 MB, and threads beyond that spin while they wait for one another.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
fn processors_of(megabytes: &str) -> Option<NonZeroUsize> {
    const MB_A_PROCESSOR: usize = 1769;
    let megabytes: usize = megabytes.parse().ok()?;
    NonZeroUsize::new(((megabytes + MB_A_PROCESSOR / 2) / MB_A_PROCESSOR).max(1))
}

fn parse_source(uri: &str) -> Option<ModelSource> {
    let Some(location) = uri.strip_prefix("s3://") else {
        // A folder's path holds no `://`; a mistyped scheme should not become a folder.
        return (!uri.contains("://")).then(|| ModelSource::Folder(uri.into()));
    };
    let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
    let prefix = prefix.trim_matches('/').to_owned();
    (!bucket.is_empty()).then(|| ModelSource::S3 { bucket: bucket.to_owned(), prefix })
}

fn positive(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
) -> Result<Option<u64>, ConfigError> {
    let number: Option<std::num::NonZeroU64> = parse(lookup, variable, "a whole number over 0")?;
    Ok(number.map(std::num::NonZero::get))
}

fn parse<T: FromStr>(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
    expected: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = lookup(variable) else { return Ok(None) };
    match value.parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(_) => Err(ConfigError::Invalid { variable, value, expected }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<StoreConfig, ConfigError> {
        StoreConfig::from_lookup(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_uri_alone_is_enough() {
        let config = read(&[("GLIMPSE_MODEL_URI", "s3://models/resnet50/1/")]).unwrap();
        let prefix = "resnet50/1".to_owned();
        assert_eq!(config.source, ModelSource::S3 { bucket: "models".into(), prefix });
        assert_eq!(config.load_deadline, Duration::from_secs(20));
    }

    #[test]
    fn a_mistake_names_the_variable_and_its_value() {
        assert!(read(&[]).unwrap_err().to_string().starts_with("GLIMPSE_MODEL_URI is not set"));
        for (variable, value) in [
            ("GLIMPSE_MODEL_SHA256", "abc"),
            ("GLIMPSE_LOAD_TIMEOUT_MS", "0"),
            ("GLIMPSE_MAX_MODEL_BYTES", "-1"),
            ("GLIMPSE_MAX_IMAGE_PIXELS", "many"),
            ("GLIMPSE_THREADS", "0"),
        ] {
            let error = read(&[("GLIMPSE_MODEL_URI", "model"), (variable, value)]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{variable} is `{value}`")), "{error}");
        }
    }

    #[test]
    fn threads_are_the_processors_that_lambdas_memory_pays_for() {
        let threads = |variables: &[(&str, &str)]| {
            let uri = [("GLIMPSE_MODEL_URI", "model")];
            read(&[&uri, variables].concat()).unwrap().threads.map(NonZeroUsize::get)
        };
        assert_eq!(threads(&[]), None);
        for (memory, expected) in [("128", 1), ("1769", 1), ("3538", 2), ("10240", 6)] {
            let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory);
            assert_eq!(threads(&[memory]), Some(expected), "{memory:?}");
            assert_eq!(threads(&[memory, ("GLIMPSE_THREADS", "3")]), Some(3));
        }
    }

    #[test]
    fn a_mistyped_scheme_is_no_folder() {
        for uri in ["s3:///prefix", "https://host/x", "S3://bucket/x"] {
            let error = read(&[("GLIMPSE_MODEL_URI", uri)]).unwrap_err();
            assert!(matches!(error, ConfigError::Invalid { .. }), "{uri}");
        }
    }
}
