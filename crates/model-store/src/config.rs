//! The store's settings, read from environment variables.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use glimpse_budget::{Share, read_within};
use glimpse_classifier::{Limits, ProviderConfig};
use glimpse_settings::{Number, SettingError, Strings};

use crate::digest::Sha256Digest;
use crate::trial::Trial;

/// Names of the variables, defaults and ranges.
pub mod settings {
    use super::Number;

    /// Where the bundle is.
    pub const MODEL_URI: &str = "GLIMPSE_MODEL_URI";
    /// The SHA-256 of `bundle.json`.
    pub const MODEL_SHA256: &str = "GLIMPSE_MODEL_SHA256";
    /// Where downloaded bundles are kept.
    pub const CACHE_DIR: &str = "GLIMPSE_CACHE_DIR";
    /// The ONNX Runtime library.
    pub const ORT_LIBRARY: &str = "GLIMPSE_ORT_LIBRARY";
    /// Threads of one run; the default depends on the machine.
    pub const THREADS: Number<usize> = Number::new("GLIMPSE_THREADS", 1, 1..=usize::MAX);
    /// An execution provider in place of the CPU provider.
    pub const PROVIDER: &str = "GLIMPSE_PROVIDER";
    /// The kind of its device.
    pub const PROVIDER_DEVICE: &str = "GLIMPSE_PROVIDER_DEVICE";
    /// Its options.
    pub const PROVIDER_OPTIONS: &str = "GLIMPSE_PROVIDER_OPTIONS";
    /// Largest picture.
    pub const MAX_IMAGE_PIXELS: Number<u64> =
        Number::new("GLIMPSE_MAX_IMAGE_PIXELS", 50_000_000, 1..=u64::MAX);
    /// The image formats that are accepted.
    pub const FORMATS: &str = "GLIMPSE_FORMATS";
    /// Time for a whole load.
    pub const LOAD_TIMEOUT_MS: Number<u64> =
        Number::new("GLIMPSE_LOAD_TIMEOUT_MS", 20_000, 1..=u64::MAX);
    /// Largest model.
    pub const MAX_MODEL_BYTES: Number<u64> =
        Number::new("GLIMPSE_MAX_MODEL_BYTES", 512 << 20, 1..=u64::MAX);
}

/// Where AWS Lambda unpacks the layer that holds ONNX Runtime.
const LAYER_LIBRARY: &str = "/opt/lib/libonnxruntime.so";
const FORMATS_FORM: &str =
    "names of image formats, separated by commas: jpeg,png,webp,gif,bmp,tiff,heic,avif";
const URI_FORM: &str = "s3://bucket/prefix or the path of a folder";

/// Where the bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder that holds the bundle's files.
    Folder(PathBuf),
    /// `s3://bucket/prefix`; the prefix has no slash at its ends and may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What stands before `/bundle.json` in the keys.
        prefix: String,
    },
}

/// The store's settings.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `GLIMPSE_MODEL_URI`: `s3://bucket/prefix` or a folder. Required.
    pub source: ModelSource,
    /// `GLIMPSE_MODEL_SHA256`: the SHA-256 of `bundle.json`, which determines the whole bundle.
    pub expected_digest: Option<Sha256Digest>,
    /// `GLIMPSE_CACHE_DIR`: where downloaded bundles are kept. Unset: `glimpse` in the temp folder.
    /// Only a folder that is set serves a bundle without an expected digest while S3 cannot be reached.
    pub cache_dir: Option<PathBuf>,
    /// `GLIMPSE_ORT_LIBRARY`: the ONNX Runtime library. Default: `/opt/lib/libonnxruntime.so`.
    pub ort_library: PathBuf,
    /// `GLIMPSE_THREADS`: threads of one run. Unset: on Lambda the processors that its memory pays
    /// for, elsewhere all.
    pub threads: Option<NonZeroUsize>,
    /// `GLIMPSE_PROVIDER`, `GLIMPSE_PROVIDER_DEVICE` and `GLIMPSE_PROVIDER_OPTIONS`: an execution
    /// provider that runs the model where it can, at the edge. Default: the CPU provider.
    pub provider: Option<ProviderConfig>,
    /// `GLIMPSE_MAX_IMAGE_PIXELS` (default 50,000,000, less in a Lambda function of little memory) and
    /// `GLIMPSE_FORMATS` (default: all), for the classifier.
    pub limits: Limits,
    /// `GLIMPSE_LOAD_TIMEOUT_MS`: time for a whole load. Default: 20,000.
    pub load_deadline: Duration,
    /// `GLIMPSE_MAX_MODEL_BYTES`: a larger model is refused. Default: 512 MiB.
    pub max_model_bytes: u64,
    /// Whether sessions keep an arena of their own; the program says so, which knows its allocator.
    pub arena: bool,
    /// Called on a thread of its own with the size of a graph, as soon as that is known and the library
    /// is open: while its bytes are read, memory for its session can be made ready.
    pub on_described: fn(u64),
    /// Called when a model is in memory: loading one takes other memory than serving it does.
    pub on_loaded: fn(),
    /// Whether the first model is tried on a plain picture before it serves, as later ones always are.
    pub try_first: bool,
    /// Whether a bundle from S3 is kept in the cache for the next start. Not before a snapshot, which would
    /// hold it twice.
    pub keep: bool,
    /// How a bundle that is to replace the one that serves is tried in another process first; by
    /// default it is tried in this one alone.
    pub trial: Option<Arc<dyn Trial>>,
}

impl ModelSource {
    /// The error where no source is set.
    #[must_use]
    pub fn unset() -> SettingError {
        SettingError::unset(settings::MODEL_URI, URI_FORM)
    }
}

impl FromStr for ModelSource {
    type Err = SettingError;

    fn from_str(uri: &str) -> Result<Self, SettingError> {
        parse_source(uri).ok_or_else(|| SettingError::invalid(settings::MODEL_URI, uri, URI_FORM))
    }
}

impl StoreConfig {
    /// Defaults for everything but the source.
    #[must_use]
    pub fn new(source: ModelSource) -> Self {
        Self {
            source,
            expected_digest: None,
            cache_dir: None,
            ort_library: LAYER_LIBRARY.into(),
            threads: None,
            provider: None,
            limits: Limits::default(),
            load_deadline: Duration::from_millis(settings::LOAD_TIMEOUT_MS.default),
            max_model_bytes: settings::MAX_MODEL_BYTES.default,
            arena: true,
            on_described: |_| {},
            on_loaded: || {},
            try_first: false,
            keep: true,
            trial: None,
        }
    }

    /// Read the variables; each field names its own.
    ///
    /// # Errors
    /// Names the variable, its value, and what was expected.
    pub fn read(environment: &impl Strings) -> Result<Self, SettingError> {
        let uri = environment.text(settings::MODEL_URI)?.ok_or_else(ModelSource::unset)?;
        let mut config = Self::new(uri.parse()?);
        let digest = "the SHA-256 of bundle.json, 64 hexadecimal digits";
        config.expected_digest = environment.parsed(settings::MODEL_SHA256, digest)?;
        config.cache_dir = environment.path(settings::CACHE_DIR);
        if let Some(library) = environment.path(settings::ORT_LIBRARY) {
            config.ort_library = library;
        }
        config.threads = match settings::THREADS.read_if_set(environment)? {
            Some(threads) => NonZeroUsize::new(threads),
            None => environment
                .text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?
                .and_then(|megabytes| processors_of(&megabytes)),
        };
        let fitting = |share: Share| Limits::pixels_in(share.pictures);
        let pixels = read_within(&settings::MAX_IMAGE_PIXELS, environment, fitting)?;
        config.limits.limit_pixels(pixels);
        if let Some(formats) = environment.parsed(settings::FORMATS, FORMATS_FORM)? {
            config.limits.formats = formats;
        }
        config.load_deadline = settings::LOAD_TIMEOUT_MS.read_millis(environment)?;
        config.max_model_bytes = settings::MAX_MODEL_BYTES.read(environment)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<StoreConfig, SettingError> {
        StoreConfig::read(&variables)
    }

    #[test]
    fn the_uri_is_the_only_required_variable() {
        let config = read(&[("GLIMPSE_MODEL_URI", "s3://models/resnet50/1/")]).unwrap();
        let prefix = "resnet50/1".to_owned();
        assert_eq!(config.source, ModelSource::S3 { bucket: "models".into(), prefix });
        assert_eq!(config.load_deadline, Duration::from_secs(20));
    }

    #[test]
    fn formats_are_a_list_of_names() {
        let uri = ("GLIMPSE_MODEL_URI", "model");
        let formats = |list| {
            let config = read(&[uri, ("GLIMPSE_FORMATS", list)]).unwrap();
            config.limits.formats.to_string()
        };
        assert_eq!(formats("png, JPEG"), "JPEG, PNG");
        assert_eq!(formats(""), glimpse_classifier::FormatSet::ALL.to_string());
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
            ("GLIMPSE_FORMATS", "jpeg,psd"),
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
    fn pixels_are_those_that_lambdas_memory_has_room_for() {
        let pixels = |variables: &[(&str, &str)]| {
            let uri = [("GLIMPSE_MODEL_URI", "model")];
            read(&[&uri, variables].concat()).map(|config| config.limits.max_pixels)
        };
        let memory = |megabytes| ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes);
        assert_eq!(pixels(&[memory("1769")]).unwrap(), 50_000_000);
        let least = pixels(&[memory("256")]).unwrap();
        assert!((5_000_000..12_000_000).contains(&least), "{least}");
        let error = pixels(&[memory("256"), ("GLIMPSE_MAX_IMAGE_PIXELS", "12000000")]).unwrap_err();
        let text = format!(
            "GLIMPSE_MAX_IMAGE_PIXELS is `12000000`; expected at most {least} with the 256 MB"
        );
        assert!(error.to_string().starts_with(&text), "{error}");
    }

    #[test]
    fn a_mistyped_scheme_is_not_taken_for_a_folder() {
        for uri in ["s3:///prefix", "https://host/x", "S3://bucket/x"] {
            let error = read(&[("GLIMPSE_MODEL_URI", uri)]).unwrap_err();
            assert!(matches!(error, SettingError::Invalid { .. }), "{uri}");
        }
    }
}
