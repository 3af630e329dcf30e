//! What the API takes from the environment, read once.

/// A larger batch cannot be configured.
pub(crate) const MAX_BATCH: usize = 1024;

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
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 << 20,
            max_batch: 16,
            s3_buckets: Vec::new(),
            max_object_bytes: 20 << 20,
        }
    }
}

/// A variable has a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable}={value}: expected a whole number from 1 to {maximum}")]
pub struct ConfigError {
    variable: &'static str,
    value: String,
    maximum: usize,
}

impl ApiConfig {
    /// Read `GLIMPSE_MAX_BODY_BYTES` (default 10 MiB), `GLIMPSE_MAX_BATCH` (16),
    /// `GLIMPSE_S3_BUCKETS` (comma-separated, none) and `GLIMPSE_MAX_OBJECT_BYTES` (20 MiB).
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
                _ => Err(ConfigError { variable, value, maximum }),
            },
        };
        let defaults = Self::default();
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
        })
    }
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
}
