//! What the function takes from the environment, read once.

use std::num::NonZeroUsize;

use glimpse_model_store::ModelSource;

/// Where results go, and limits. [`EventsConfig::from_env`] documents the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsConfig {
    /// The bucket that results are written to.
    pub results_bucket: String,
    /// Largest object in bytes that is fetched.
    pub max_object_bytes: usize,
    /// Objects of one event that are worked on at the same time.
    pub max_in_flight: usize,
}

/// The environment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is nowhere to write to.
    #[error("GLIMPSE_RESULTS_BUCKET is not set; expected the bucket that results are written to")]
    NoResultsBucket,
    /// A result would be an upload, and have a result.
    #[error(
        "GLIMPSE_RESULTS_BUCKET is `{bucket}`, and so is the bucket of {other}; \
         results need a bucket that nothing is read from"
    )]
    WritesWhereItReads {
        /// The bucket.
        bucket: String,
        /// The variable that names it as well.
        other: &'static str,
    },
    /// A number is none, or out of range.
    #[error("{variable} is `{value}`; expected a whole number from 1 to {maximum}")]
    Number {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// The largest that makes sense.
        maximum: usize,
    },
}

impl EventsConfig {
    /// Default limits.
    #[must_use]
    pub fn new(results_bucket: String) -> Self {
        Self { results_bucket, max_object_bytes: 20 << 20, max_in_flight: 8 }
    }

    /// Read `GLIMPSE_RESULTS_BUCKET` (required), `GLIMPSE_UPLOADS_BUCKET` (where events come from, if
    /// from one bucket: then it is checked that this is another one), `GLIMPSE_MAX_OBJECT_BYTES`
    /// (20 MiB) and `GLIMPSE_MAX_IN_FLIGHT` (8).
    ///
    /// # Errors
    /// Names the variable that cannot be used. Results may go neither where uploads nor where the
    /// model comes from.
    pub fn from_env(model: &ModelSource) -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok(), model)
    }

    /// The same from any source of variables; an empty value counts as unset.
    ///
    /// # Errors
    /// As [`EventsConfig::from_env`].
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        model: &ModelSource,
    ) -> Result<Self, ConfigError> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let bucket = lookup("GLIMPSE_RESULTS_BUCKET").ok_or(ConfigError::NoResultsBucket)?;
        let refuse = |other| ConfigError::WritesWhereItReads { bucket: bucket.clone(), other };
        if lookup("GLIMPSE_UPLOADS_BUCKET").is_some_and(|uploads| uploads == bucket) {
            return Err(refuse("GLIMPSE_UPLOADS_BUCKET"));
        }
        if matches!(model, ModelSource::S3 { bucket: model, .. } if *model == bucket) {
            return Err(refuse("GLIMPSE_MODEL_URI"));
        }
        let number = |variable, default, maximum| match lookup(variable) {
            None => Ok(default),
            Some(value) => match value.parse::<NonZeroUsize>() {
                Ok(number) if number.get() <= maximum => Ok(number.get()),
                _ => Err(ConfigError::Number { variable, value, maximum }),
            },
        };
        let defaults = Self::new(bucket.clone());
        Ok(Self {
            max_object_bytes: number(
                "GLIMPSE_MAX_OBJECT_BYTES",
                defaults.max_object_bytes,
                1 << 30,
            )?,
            max_in_flight: number("GLIMPSE_MAX_IN_FLIGHT", defaults.max_in_flight, 256)?,
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<EventsConfig, ConfigError> {
        let model = ModelSource::S3 { bucket: "models".into(), prefix: String::new() };
        let lookup = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        EventsConfig::from_lookup(lookup, &model)
    }

    #[test]
    fn results_need_a_bucket_of_their_own() {
        let results = ("GLIMPSE_RESULTS_BUCKET", "results");
        assert_eq!(read(&[results]), Ok(EventsConfig::new("results".into())));
        assert_eq!(read(&[]), Err(ConfigError::NoResultsBucket));
        let error = read(&[results, ("GLIMPSE_UPLOADS_BUCKET", "results")]).unwrap_err();
        assert!(error.to_string().contains("the bucket of GLIMPSE_UPLOADS_BUCKET"), "{error}");
        let error = read(&[("GLIMPSE_RESULTS_BUCKET", "models")]).unwrap_err();
        assert!(error.to_string().contains("the bucket of GLIMPSE_MODEL_URI"), "{error}");
    }

    #[test]
    fn an_unusable_number_is_named_with_its_variable() {
        let results = ("GLIMPSE_RESULTS_BUCKET", "results");
        for value in ["0", "257", "many", "-1"] {
            let error = read(&[results, ("GLIMPSE_MAX_IN_FLIGHT", value)]).unwrap_err();
            let text = format!("GLIMPSE_MAX_IN_FLIGHT is `{value}`");
            assert!(error.to_string().starts_with(&text), "{error}");
        }
    }
}
