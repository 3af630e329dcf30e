//! The tokens that clients must send.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use glimpse_settings::SettingError;
use http::HeaderValue;
use subtle::ConstantTimeEq as _;

use crate::error::Error;

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// Never printed: it has no `Debug`.
struct Token(Vec<u8>);

/// The tokens of a file, one per line, as it was read last.
pub struct Tokens {
    path: PathBuf,
    current: ArcSwap<Vec<Token>>,
}

impl Tokens {
    /// Read the tokens from a file, which unlike an argument no other user can see; space around
    /// them does not count.
    ///
    /// # Errors
    /// When the file cannot be read, or holds too little.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(tokens(path)?);
        if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
            tracing::warn!(file = %path.display(), "every user of this machine can read the token");
        }
        Ok(Self { path: path.to_owned(), current })
    }

    /// Read the file again.
    ///
    /// # Errors
    /// As [`Tokens::read`]; what was read before stays.
    pub fn reload(&self) -> Result<(), Error> {
        self.current.store(Arc::new(tokens(&self.path)?));
        Ok(())
    }

    /// Whether there are several, so that a token says who its holder is.
    pub fn are_several(&self) -> bool {
        self.current.load().len() > 1
    }

    /// Which token `authorization` is, if any; takes as long for a near miss as for a wild guess.
    pub fn holder(&self, authorization: Option<&HeaderValue>) -> Option<u32> {
        let authorization = authorization?;
        let current = self.current.load();
        let found = current.iter().zip(0..).filter(|(token, _)| token.is(authorization));
        found.map(|(_, position)| position).last()
    }
}

fn tokens(path: &Path) -> Result<Vec<Token>, Error> {
    let text = fs::read(path).map_err(Error::path("read the token in", path))?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let tokens: Vec<_> =
        lines.filter(|line| !line.is_empty()).map(|line| Token(line.into())).collect();
    if tokens.is_empty() || tokens.iter().any(|token| token.0.len() < SHORTEST) {
        return Err(Error::Setting(SettingError::invalid(
            "--bearer-token-file (GLIMPSE_BEARER_TOKEN_FILE)",
            path.display().to_string(),
            "a file with tokens of at least 16 characters, one per line",
        )));
    }
    Ok(tokens)
}

impl Token {
    fn is(&self, authorization: &HeaderValue) -> bool {
        let Some((scheme, token)) = authorization.as_bytes().split_at_checked(7) else {
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
        let is = |value: &str| token.is(&HeaderValue::from_str(value).unwrap());
        assert!(is("Bearer 0123456789abcdef") && is("bearer  0123456789abcdef"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Basic 0123456789abcdef"] {
            assert!(!is(wrong), "{wrong}");
        }
        assert!(!is("Bearer 0123456789abcdefg"));
    }

    #[test]
    fn a_short_token_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "  short \n").unwrap();
        assert!(Tokens::read(file.path()).is_err());
        fs::write(file.path(), "0123456789abcdef\nshort\n").unwrap();
        assert!(Tokens::read(file.path()).is_err());
        fs::write(file.path(), "\n").unwrap();
        assert!(Tokens::read(file.path()).is_err());
    }

    #[test]
    fn each_line_is_a_token_and_a_changed_file_counts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "0123456789abcdef\n\n fedcba9876543210 \n").unwrap();
        let tokens = Tokens::read(file.path()).unwrap();
        let holder = |token: &str| {
            tokens.holder(Some(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
        };
        assert_eq!((holder("0123456789abcdef"), holder("fedcba9876543210")), (Some(0), Some(1)));
        assert_eq!((holder("0123456789abcdee"), tokens.holder(None)), (None, None));
        fs::write(file.path(), "short").unwrap();
        assert!(tokens.reload().is_err());
        assert_eq!(holder("0123456789abcdef"), Some(0));
        fs::write(file.path(), "another-token-0123").unwrap();
        tokens.reload().unwrap();
        assert_eq!((holder("0123456789abcdef"), holder("another-token-0123")), (None, Some(0)));
    }
}
