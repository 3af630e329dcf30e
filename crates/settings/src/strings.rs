//! Where variables come from, and how their text becomes values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::SettingError;
use crate::list::List;

/// A source of variables: the process's [`Environment`], or a list of pairs in tests.
pub trait Strings {
    /// The variable as it is set, also if it is empty.
    fn value(&self, variable: &str) -> Option<OsString>;

    /// A text. An empty value counts as unset, here and in all functions below.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    fn text(&self, variable: &'static str) -> Result<Option<String>, SettingError> {
        let Some(value) = self.value(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let invalid =
            |value: OsString| SettingError::invalid(variable, value.to_string_lossy(), "UTF-8");
        value.into_string().map(Some).map_err(invalid)
    }

    /// A text that must be set.
    ///
    /// # Errors
    /// When it is unset, or not UTF-8.
    fn required(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<String, SettingError> {
        self.text(variable)?.ok_or_else(|| SettingError::unset(variable, expected))
    }

    /// The path of a file or folder; it need not be UTF-8.
    fn path(&self, variable: &str) -> Option<PathBuf> {
        self.value(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Comma-separated texts; none where it is unset.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    fn list(&self, variable: &'static str) -> Result<Vec<String>, SettingError> {
        let Ok(List(items)) = self.text(variable)?.unwrap_or_default().parse();
        Ok(items)
    }

    /// A value of any type that reads itself from text.
    ///
    /// # Errors
    /// When the value is not what is `expected`.
    fn parsed<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, SettingError> {
        let Some(value) = self.text(variable)? else { return Ok(None) };
        match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(SettingError::invalid(variable, value, expected)),
        }
    }
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment;

impl Strings for Environment {
    fn value(&self, variable: &str) -> Option<OsString> {
        std::env::var_os(variable)
    }
}

impl Strings for [(&str, &str)] {
    fn value(&self, variable: &str) -> Option<OsString> {
        self.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.into())
    }
}

impl<const N: usize> Strings for [(&str, &str); N] {
    fn value(&self, variable: &str) -> Option<OsString> {
        self.as_slice().value(variable)
    }
}

impl<S: Strings + ?Sized> Strings for &S {
    fn value(&self, variable: &str) -> Option<OsString> {
        (**self).value(variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = [("TEXT", ""), ("LIST", ""), ("PATH", ""), ("PARSED", "")];
        assert_eq!(environment.text("TEXT"), Ok(None));
        assert_eq!(environment.list("LIST"), Ok(Vec::new()));
        assert_eq!(environment.path("PATH"), None);
        assert_eq!(environment.parsed::<u8>("PARSED", "a number"), Ok(None));
        let error = environment.required("TEXT", "a text").unwrap_err();
        assert_eq!(error.to_string(), "TEXT is not set; expected a text");
    }

    #[test]
    fn items_of_a_list_are_trimmed_and_empty_ones_dropped() {
        assert_eq!([("LIST", "a, b,,c ,")].list("LIST").unwrap(), ["a", "b", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf8_is_refused_as_a_text_and_taken_as_a_path() {
        use std::os::unix::ffi::OsStringExt as _;

        struct Bytes;
        impl Strings for Bytes {
            fn value(&self, _: &str) -> Option<OsString> {
                Some(OsString::from_vec(b"caf\xe9".to_vec()))
            }
        }
        let error = Bytes.text("NAME").unwrap_err();
        assert_eq!(error.to_string(), "NAME is `caf\u{fffd}`; expected UTF-8");
        let path = PathBuf::from(OsString::from_vec(b"caf\xe9".to_vec()));
        assert_eq!(Bytes.path("NAME"), Some(path));
    }
}
