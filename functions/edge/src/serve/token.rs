//! The token that clients must send.

use std::fs;
use std::path::Path;

use glimpse_settings::SettingError;
use http::HeaderValue;
use subtle::ConstantTimeEq as _;

use crate::error::Error;

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// Never printed: it has no `Debug`.
pub struct Token(Vec<u8>);

impl Token {
    /// Read the token from a file, which unlike an argument no other user can see; space around it
    /// does not count.
    ///
    /// # Errors
    /// When the file cannot be read, or holds too little.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::path("read the token in", path))?;
        let token = text.trim_ascii();
        if token.len() < SHORTEST {
            return Err(Error::Setting(SettingError::invalid(
                "--bearer-token-file (GLIMPSE_BEARER_TOKEN_FILE)",
                path.display().to_string(),
                "a file that holds at least 16 characters",
            )));
        }
        Ok(Self(token.to_vec()))
    }

    /// Whether `authorization` is this token; takes as long for a near miss as for a wild guess.
    pub fn is(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, token)) =
            authorization.and_then(|value| value.as_bytes().split_at_checked(7))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && token.trim_ascii().ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token(b"0123456789abcdef".to_vec());
        let is = |value: &str| token.is(Some(&HeaderValue::from_str(value).unwrap()));
        assert!(is("Bearer 0123456789abcdef") && is("bearer  0123456789abcdef"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Basic 0123456789abcdef"] {
            assert!(!is(wrong), "{wrong}");
        }
        assert!(!is("Bearer 0123456789abcdefg") && !token.is(None));
    }

    #[test]
    fn a_short_token_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "  short \n").unwrap();
        assert!(Token::read(file.path()).is_err());
        fs::write(file.path(), "0123456789abcdef\n").unwrap();
        assert!(Token::read(file.path()).is_ok());
    }
}
