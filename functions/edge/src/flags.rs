//! Parsers of flags, from the declarations that the variables are read by.

use std::str::FromStr;

use glimpse_classifier::{DeviceKind, InvalidProvider, ProviderConfig};
use glimpse_model_store::ModelSource;
use glimpse_settings::{Number, SettingError, Whole};
use glimpse_telemetry::logs;
use tracing_subscriber::filter::Targets;

/// A number within its range.
pub fn number<T: Whole + Send + Sync + 'static>(
    number: &'static Number<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| number.parse(text).map_err(|error| expected(&error))
}

/// `s3://bucket/prefix` or a folder.
pub fn model_source(text: &str) -> Result<ModelSource, String> {
    ModelSource::from_str(text).map_err(|error| expected(&error))
}

/// `NAME=PATH`.
pub fn provider(text: &str) -> Result<ProviderConfig, String> {
    text.parse().map_err(|error: InvalidProvider| error.to_string())
}

/// A kind of device.
pub fn device(text: &str) -> Result<DeviceKind, String> {
    text.parse().map_err(|error: InvalidProvider| error.to_string())
}

/// `KEY=VALUE`.
pub fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).unzip();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    owned(key).zip(owned(value)).ok_or_else(|| "expected KEY=VALUE".to_owned())
}

/// A level, or levels by module.
pub fn log_filter(text: &str) -> Result<Targets, String> {
    logs::filter(text).map_err(|error| expected(&error))
}

/// A score as the API takes it.
pub fn score(text: &str) -> Result<f32, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// The rest of clap's message, which has named the flag and the value.
fn expected(error: &SettingError) -> String {
    format!("expected {} ({})", error.expected(), error.variable())
}
