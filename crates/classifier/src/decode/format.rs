//! The image formats that are decoded, and which of them a service accepts.

use std::fmt;
use std::str::FromStr;

/// An image format, detected from the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// PNG, animated PNG included.
    Png,
    /// WebP (RFC 9649).
    WebP,
    /// GIF87a and GIF89a.
    Gif,
    /// Windows and OS/2 bitmap.
    Bmp,
    /// TIFF 6.0 and `BigTIFF`.
    Tiff,
    /// HEIF with HEVC pictures.
    Heic,
    /// HEIF with AV1 pictures.
    Avif,
}

impl Format {
    /// Every format, in the order in which they are listed to users.
    pub const ALL: [Self; 8] = [
        Self::Jpeg,
        Self::Png,
        Self::WebP,
        Self::Gif,
        Self::Bmp,
        Self::Tiff,
        Self::Heic,
        Self::Avif,
    ];

    /// The format's name as users know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads a format's name in any case.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let named = |format: &Self| format.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A name that no format has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image format; expected some of {all}", all = FormatSet::ALL)]
pub struct UnknownFormat(String);

/// A set of formats: those that a service accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatSet(u8);

impl FormatSet {
    /// Every format.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether `format` is in the set.
    #[must_use]
    pub fn contains(self, format: Format) -> bool {
        self.0 & bit(format) != 0
    }

    /// The formats of the set, in the order of [`Format::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Format> {
        Format::ALL.into_iter().filter(move |format| self.contains(*format))
    }
}

fn bit(format: Format) -> u8 {
    1 << format as u8
}

impl FromIterator<Format> for FormatSet {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        Self(formats.into_iter().fold(0, |bits, format| bits | bit(format)))
    }
}

impl fmt::Display for FormatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Format::name).collect();
        f.write_str(&names.join(", "))
    }
}

impl FromStr for FormatSet {
    type Err = UnknownFormat;

    /// Reads names separated by commas: `jpeg,png,webp`.
    fn from_str(list: &str) -> Result<Self, UnknownFormat> {
        list.split(',').map(|name| name.trim().parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_from_names_in_any_case() {
        let set: FormatSet = "jpeg, PNG,webp".parse().unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Format::Jpeg, Format::Png, Format::WebP]);
        assert!(!set.contains(Format::Avif));
        assert_eq!(set.to_string(), "JPEG, PNG, WebP");
        assert_eq!(Format::ALL.into_iter().collect::<FormatSet>(), FormatSet::ALL);
        let error = "jpeg,psd".parse::<FormatSet>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`psd` is not an image format; expected some of JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, \
             AVIF"
        );
    }

    #[test]
    fn formats_are_detected_from_their_signatures() {
        for (start, format) in [
            (&b"\xff\xd8\xff\xe0"[..], Format::Jpeg),
            (b"\x89PNG\r\n\x1a\n\0", Format::Png),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Format::WebP),
            (b"GIF87a", Format::Gif),
            (b"BM\0\0", Format::Bmp),
            (b"MM\0*\0", Format::Tiff),
            (b"II+\0\x08\0", Format::Tiff),
        ] {
            assert_eq!(Format::detect(start), Some(format));
        }
        for other in [&b""[..], b"RIFF\x01\x02\x03\x04WAVE", b"GIF88a", b"II*", b"%PDF-1.7"] {
            assert_eq!(Format::detect(other), None, "{other:?}");
        }
    }
}
