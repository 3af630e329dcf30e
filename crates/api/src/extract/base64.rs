//! Base64 as people send it.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

use percent_encoding::percent_decode_str;
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

/// What editors and the `base64` command put in between.
const LINE_BREAKS: [char; 3] = ['\r', '\n', '\t'];

/// The picture that `text` holds: base64 or a `data:` URL; an empty text is not a picture.
pub(crate) fn picture(text: &str) -> Result<Vec<u8>, Problem> {
    match decode(text)? {
        bytes if bytes.is_empty() => Err(Problem::MissingImage),
        bytes => Ok(bytes),
    }
}

/// Decode base64 or a `data:` URL.
///
/// Both alphabets, with or without padding. Line breaks and tabs are left out, but only once the plain
/// way has failed: it is the fast one. A space is never left out: a form makes one of `+`, and without it the picture is another one.
fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    match data_url(text) {
        Some(Data::Base64(data)) => decode_text(&data),
        Some(Data::Bytes(bytes)) => Ok(bytes),
        Some(Data::Broken(reason)) => Err(Problem::InvalidBase64(reason.to_owned())),
        None => decode_text(text),
    }
}

fn decode_text(text: &str) -> Result<Vec<u8>, Problem> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    let compact: String = text.replace(LINE_BREAKS, "");
    let engine = if compact.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(&compact).map_err(|error| Problem::InvalidBase64(why(&compact, &error)))
}

/// What is wrong with `text`, and what may have happened to it.
fn why(text: &str, error: &DecodeError) -> String {
    if text.starts_with("b'") || text.starts_with("b\"") {
        return "it is how Python prints a bytes object (b'…'); call .decode() on the base64"
            .into();
    }
    let DecodeError::InvalidByte(position, _) = *error else { return error.to_string() };
    match text.get(position..).and_then(|rest| rest.chars().next()) {
        Some(' ') => {
            format!("a space at position {position}; in a form or a query, percent-encode + as %2B")
        }
        Some(character) => format!("the character {character:?} at position {position}"),
        None => error.to_string(),
    }
}

/// What a `data:` URL holds.
enum Data<'a> {
    Base64(Cow<'a, str>),
    Bytes(Vec<u8>),
    /// Why it cannot be read.
    Broken(&'static str),
}

/// The data of `data:[<media type>][;base64],<data>`, if `text` is a `data:` URL.
///
/// As the URL and Fetch standards of WHATWG read one: control characters and spaces around it are
/// left out, spaces may stand before `base64`, the data may be percent-encoded, whether it is base64 or
/// not, and a fragment is no part of it.
fn data_url(text: &str) -> Option<Data<'_>> {
    const NOT_BASE64: Data<'_> = Data::Broken("the data: URL is not base64");
    let url = text.trim_start_matches(|c: char| c <= ' ');
    let rest = url.get(5..).filter(|_| url.as_bytes()[..5].eq_ignore_ascii_case(b"data:"))?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
    let Some((about, data)) = rest.split_once(',') else {
        return Some(Data::Broken("the data: URL has no comma"));
    };
    let is_base64 = about
        .rsplit_once(';')
        .is_some_and(|(_, last)| last.trim_matches(' ').eq_ignore_ascii_case("base64"));
    let is_encoded = data.contains('%');
    Some(match (is_base64, is_encoded) {
        (true, false) => Data::Base64(Cow::Borrowed(data)),
        (true, true) => percent_decode_str(data).decode_utf8().map_or(NOT_BASE64, Data::Base64),
        (false, true) => {
            let data: String = data.trim_end_matches(|c: char| c <= ' ').replace(LINE_BREAKS, "");
            Data::Bytes(percent_decode_str(&data).collect())
        }
        // No picture is text: `;base64` was forgotten.
        (false, false) => NOT_BASE64,
    })
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
            "\n data:image/png;base64,+/+/AQ==",
            "data:image/png; base64,+/+/AQ==",
            "data:image/png;base64 ,+/+/\n\tAQ==\n",
            "data:;base64,%2B%2F%2b/AQ%3D%3D",
            "data:image/png;base64,+/+/AQ==#top",
            "data:image/png,%fb%FF%bf%01",
            "\tdata:,%fb%FF\r\n%bf%01 \n",
        ] {
            assert_eq!(decode(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["?", "AQ==AQ==", "data:image/png,AAAA", "data:image/png;base64", "é"] {
            assert!(matches!(decode(text), Err(Problem::InvalidBase64(_))), "{text}");
        }
        // In each of them a `+` was lost, or something else that cannot be known.
        for text in [" /+/AQ==", "+/ /AQ==", "+/+/AQ== ", "data:;base64, /+/AQ==", "%2B/+/AQ=="] {
            assert!(matches!(decode(text), Err(Problem::InvalidBase64(_))), "{text}");
        }
    }

    #[test]
    fn an_error_says_what_happened_to_the_text() {
        for (text, said) in [
            ("b'+/+/AQ=='", "Python"),
            ("+/ /AQ==", "a space at position 2"),
            ("\n+/+/§Q==", "'§' at position 4"),
        ] {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
