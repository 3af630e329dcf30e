//! Pictures that a gateway or a client turned into text on the way, and what to change then.

/// How much of a body is looked at.
const LOOKED_AT: usize = 4096;
/// U+FFFD in UTF-8: what decoding puts in the place of bytes that are not text.
const REPLACEMENT: [u8; 3] = [0xef, 0xbf, 0xbd];
/// More than chance, or a text in a picture's metadata, would give.
const MANY: usize = 8;

/// What happened to bytes that should be the bytes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mangled {
    /// Bytes were decoded as UTF-8, and most of them are lost.
    DecodedAsText,
    /// The base64 of a picture.
    Base64,
    /// A JSON document.
    Json,
}

impl Mangled {
    /// What happened to `body`, if it looks like that. It counts only where no picture was decoded.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let start = &body[..body.len().min(LOOKED_AT)];
        let replaced = start.windows(3).filter(|bytes| **bytes == REPLACEMENT).count();
        if replaced >= MANY {
            return Some(Self::DecodedAsText);
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii();
        if text.starts_with(b"{") {
            return Some(Self::Json);
        }
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(byte);
        let is_data_url = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
        let is_base64 = text.len() >= 16 && text.iter().all(is_base64);
        (is_data_url || is_base64).then_some(Self::Base64)
    }

    /// What was found, and what to do.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::DecodedAsText => {
                "the image was turned from bytes into text on its way (it is full of U+FFFD) and is lost; on an API Gateway REST API, add the content type to binaryMediaTypes"
            }
            Self::Base64 => {
                "this is base64 text, not the bytes of an image; send the bytes (on an API Gateway REST API, add the content type to binaryMediaTypes), or JSON with image_data"
            }
            Self::Json => "this is JSON, not the bytes of an image; send it as application/json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_lose_the_bytes_is_recognised() {
        let lost = String::from_utf8_lossy(&[0xff, 0xd8, 0xff, 0xe0].repeat(20)).into_owned();
        for (body, expected) in [
            (lost.as_bytes(), Some(Mangled::DecodedAsText)),
            (b"/9j/4AAQSkZJRgABAQAAAQABAAD/\r\n2wBDAA==", Some(Mangled::Base64)),
            (b"data:image/png;base64,iVBORw0KGgo=", Some(Mangled::Base64)),
            (b" {\"image_data\": \"\"}", Some(Mangled::Json)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", None),
            (b"GIF89a", None),
            (b"hello, this is a sentence", None),
            (b"", None),
        ] {
            assert_eq!(Mangled::of(body), expected, "{body:?}");
        }
    }
}
