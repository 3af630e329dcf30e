//! The function's settings, read from environment variables.

use glimpse_budget::{Pace, Share, read_budget, read_within};
use glimpse_model_store::ModelSource;
use glimpse_settings::{Number, SettingError, Strings};

const RESULTS_BUCKET: &str = "GLIMPSE_RESULTS_BUCKET";
const MAX_OBJECT_BYTES: Number<usize> =
    Number::new("GLIMPSE_MAX_OBJECT_BYTES", 20 << 20, 1..=1 << 30);
const MAX_IN_FLIGHT: Number<usize> = Number::new("GLIMPSE_MAX_IN_FLIGHT", 8, 1..=256);

/// Where results go, and limits. [`EventsConfig::read`] documents the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsConfig {
    /// The bucket that results are written to.
    pub results_bucket: String,
    /// Largest object in bytes that is fetched.
    pub max_object_bytes: usize,
    /// Bytes for objects and pictures; by default what the model leaves of the memory.
    pub memory_budget: Option<u64>,
    /// Objects of one event that are worked on at the same time, as far as there is memory for the
    /// objects of all events.
    pub max_in_flight: usize,
    /// How long images take here.
    pub pace: Pace,
}

impl EventsConfig {
    /// Default limits.
    #[must_use]
    pub fn new(results_bucket: String) -> Self {
        Self {
            results_bucket,
            max_object_bytes: MAX_OBJECT_BYTES.default,
            memory_budget: None,
            max_in_flight: MAX_IN_FLIGHT.default,
            pace: Pace::default(),
        }
    }

    /// Read `GLIMPSE_RESULTS_BUCKET` (required), `GLIMPSE_UPLOADS_BUCKET` (where events come from, if
    /// from one bucket: then it is checked that this is another one), `GLIMPSE_MAX_OBJECT_BYTES`
    /// (20 MiB), `GLIMPSE_MAX_IN_FLIGHT` (8) and `GLIMPSE_MEMORY_BUDGET` (from the machine).
    ///
    /// # Errors
    /// Names the variable that cannot be used. Results may go neither where uploads nor where the
    /// model comes from.
    pub fn read(environment: &impl Strings, model: &ModelSource) -> Result<Self, SettingError> {
        let bucket =
            environment.required(RESULTS_BUCKET, "the bucket that results are written to")?;
        let refuse = |expected| SettingError::invalid(RESULTS_BUCKET, bucket.clone(), expected);
        if environment.text("GLIMPSE_UPLOADS_BUCKET")?.is_some_and(|uploads| uploads == bucket) {
            return Err(refuse("another bucket than GLIMPSE_UPLOADS_BUCKET"));
        }
        if matches!(model, ModelSource::S3 { bucket: model, .. } if *model == bucket) {
            return Err(refuse("another bucket than that of GLIMPSE_MODEL_URI"));
        }
        if glimpse_objects::is_directory_bucket(&bucket) {
            return Err(refuse("a general purpose bucket, not a directory bucket"));
        }
        let in_memory = |share: Share| share.bodies;
        Ok(Self {
            max_object_bytes: read_within(&MAX_OBJECT_BYTES, environment, in_memory)?,
            memory_budget: read_budget(environment)?,
            max_in_flight: MAX_IN_FLIGHT.read(environment)?,
            pace: Pace::read(environment)?,
            results_bucket: bucket,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<EventsConfig, SettingError> {
        let model = ModelSource::S3 { bucket: "models".into(), prefix: String::new() };
        EventsConfig::read(&variables, &model)
    }

    #[test]
    fn results_need_a_bucket_of_their_own() {
        let results = ("GLIMPSE_RESULTS_BUCKET", "results");
        assert_eq!(read(&[results]), Ok(EventsConfig::new("results".into())));
        let text = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
        assert!(text(&[]).starts_with("GLIMPSE_RESULTS_BUCKET is not set"));
        assert_eq!(
            text(&[results, ("GLIMPSE_UPLOADS_BUCKET", "results")]),
            "GLIMPSE_RESULTS_BUCKET is `results`; expected another bucket than GLIMPSE_UPLOADS_BUCKET"
        );
        assert_eq!(
            text(&[("GLIMPSE_RESULTS_BUCKET", "models")]),
            "GLIMPSE_RESULTS_BUCKET is `models`; expected another bucket than that of \
             GLIMPSE_MODEL_URI"
        );
    }

    #[test]
    fn an_unusable_number_is_named_with_its_variable() {
        let results = ("GLIMPSE_RESULTS_BUCKET", "results");
        for value in ["0", "257", "many", "-1"] {
            let error = read(&[results, ("GLIMPSE_MAX_IN_FLIGHT", value)]).unwrap_err();
            let text =
                format!("GLIMPSE_MAX_IN_FLIGHT is `{value}`; expected a whole number from 1");
            assert!(error.to_string().starts_with(&text), "{error}");
        }
    }
}
