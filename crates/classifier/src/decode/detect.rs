//! Which format a file has, from its first bytes.

use super::format::Format;
use super::heif;

impl Format {
    /// The format of a file that begins with these bytes, whatever its name or content type.
    #[must_use]
    pub fn detect(encoded: &[u8]) -> Option<Self> {
        const TIFF: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
        let starts = |signature: &[u8]| encoded.starts_with(signature);
        match encoded {
            _ if starts(b"\xff\xd8\xff") => Some(Self::Jpeg),
            _ if starts(b"\x89PNG\r\n\x1a\n") => Some(Self::Png),
            _ if starts(b"GIF87a") || starts(b"GIF89a") => Some(Self::Gif),
            _ if starts(b"BM") => Some(Self::Bmp),
            _ if TIFF.into_iter().any(starts) => Some(Self::Tiff),
            _ if starts(b"RIFF") && encoded.get(8..12) == Some(b"WEBP") => Some(Self::WebP),
            _ => heif::detect(encoded),
        }
    }
}
