//! The keys of S3 notifications and of S3 Batch Operations are written as in a query string.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A key is not UTF-8 once it is decoded, or there is none; S3 has no such objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is empty or not UTF-8")]
pub struct InvalidKey;

/// `red+flower%2B1.jpg` is the key `red flower+1.jpg`.
///
/// A percent sign that two hexadecimal digits do not follow stands for itself.
///
/// # Errors
/// When the result is no key.
pub fn decode_key(encoded: &str) -> Result<String, InvalidKey> {
    let spaces: Cow<'_, str> = match encoded.contains('+') {
        true => encoded.replace('+', " ").into(),
        false => encoded.into(),
    };
    let key = percent_decode(spaces.as_bytes()).decode_utf8().map_err(|_| InvalidKey)?;
    match key.is_empty() {
        true => Err(InvalidKey),
        false => Ok(key.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_s3_encodes_them() {
        for (encoded, key) in [
            ("HappyFace.jpg", "HappyFace.jpg"),
            ("red+flower.jpg", "red flower.jpg"),
            ("a%2Bb.jpg", "a+b.jpg"),
            ("%E7%8C%AB/%F0%9F%90%88.png", "猫/🐈.png"),
            ("100%25.jpg", "100%.jpg"),
            ("100%.jpg", "100%.jpg"),
            ("a/b//c/../d", "a/b//c/../d"),
        ] {
            assert_eq!(decode_key(encoded).as_deref(), Ok(key), "{encoded}");
        }
        for no_key in ["", "%FF.jpg", "%C3%28"] {
            assert_eq!(decode_key(no_key), Err(InvalidKey), "{no_key}");
        }
    }
}
