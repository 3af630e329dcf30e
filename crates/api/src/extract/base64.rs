//! Base64 as people send it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Base64 of an encoded picture, in either alphabet, or a `data:` URL of it.
// Borrowed from the body unless it has escapes: some encoders write `\/`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Base64Picture, value_type = String, format = "base64-picture")]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The picture that `text` holds: base64 or a `data:` URL; an empty text is not a picture.
pub(crate) fn picture(text: &str) -> Result<Vec<u8>, Problem> {
    match decode(text)? {
        bytes if bytes.is_empty() => Err(Problem::MissingImage),
        bytes => Ok(bytes),
    }
}

/// Decode base64 or a `data:` URL that holds it.
///
/// Both alphabets, with or without padding; line breaks, as the `base64` command puts them in, are
/// left out, but only once the plain way has failed: it is the fast one.
fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    let text = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => data_of(text)?,
        _ => text,
    };
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let engine = if compact.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(compact).map_err(|error| Problem::InvalidBase64(error.to_string()))
}

/// The data of `data:[<media type>];base64,<data>` (RFC 2397).
fn data_of(url: &str) -> Result<&str, Problem> {
    let (about, data) = url
        .split_once(',')
        .ok_or_else(|| Problem::InvalidBase64("the data: URL has no comma".to_owned()))?;
    if !about.to_ascii_lowercase().ends_with(";base64") {
        return Err(Problem::InvalidBase64("the data: URL is not base64".to_owned()));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_gives_the_same_bytes() {
        let bytes = [0xfb, 0xff, 0xbf, 0x01];
        for text in [
            "+/+/AQ==",
            "+/+/AQ",
            "-_-_AQ==",
            "-_-_AQ",
            "+/+/\r\nAQ==\n",
            "data:image/png;base64,+/+/AQ==",
            "DATA:image/svg+xml;charset=utf-8;BASE64,+/+/AQ",
        ] {
            assert_eq!(decode(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["?", "AQ==AQ==", "data:image/png,AAAA", "data:image/png;base64", "é"] {
            assert!(matches!(decode(text), Err(Problem::InvalidBase64(_))), "{text}");
        }
    }
}
