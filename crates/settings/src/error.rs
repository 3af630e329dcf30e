//! The one error: a variable that cannot be used.

use std::borrow::Cow;

/// An environment variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Required, and absent or empty.
    #[error("{variable} is not set; expected {expected}")]
    Unset {
        /// Its name.
        variable: &'static str,
        /// What it should hold.
        expected: Cow<'static, str>,
    },
    /// Set to something other than expected.
    #[error("{variable} is `{value}`; expected {expected}")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: Cow<'static, str>,
    },
}

impl SettingError {
    /// `variable` is required and unset.
    #[must_use]
    pub fn unset(variable: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::Unset { variable, expected: expected.into() }
    }

    /// `variable` holds `value`, which is not what is expected.
    #[must_use]
    pub fn invalid(
        variable: &'static str,
        value: impl Into<String>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid { variable, value: value.into(), expected: expected.into() }
    }

    /// The variable's name.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        let (Self::Unset { variable, .. } | Self::Invalid { variable, .. }) = self;
        variable
    }

    /// What the variable should hold.
    #[must_use]
    pub fn expected(&self) -> &str {
        let (Self::Unset { expected, .. } | Self::Invalid { expected, .. }) = self;
        expected
    }
}
