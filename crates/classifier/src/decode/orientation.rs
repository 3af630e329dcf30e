//! How a stored picture is to be turned, read from EXIF and XMP as Pillow's `exif_transpose` does.

use image::metadata::Orientation;

use super::ifd::{Directory, Tiff};

/// EXIF and TIFF's tag for the orientation.
const ORIENTATION: u16 = 0x112;

/// The orientation that EXIF states, else XMP, else none.
///
/// `exif` begins with a TIFF header, or with `Exif\0\0` before it.
pub(super) fn from_metadata(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    exif.and_then(from_exif).or_else(|| xmp.and_then(from_xmp)).unwrap_or(Orientation::NoTransforms)
}

/// The orientation of a directory: `None` where it states none.
pub(super) fn of(directory: &Directory<'_>) -> Option<Orientation> {
    if !directory.contains(ORIENTATION) {
        return None;
    }
    // Of several values the first one counts.
    let value = directory.number(ORIENTATION).filter(|_| directory.has_words(ORIENTATION));
    let value = value.and_then(|value| u8::try_from(value).ok());
    // A value without a meaning is a statement too: XMP is not asked then.
    Some(value.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms))
}

fn from_exif(mut exif: &[u8]) -> Option<Orientation> {
    for _ in 0..2 {
        exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    }
    let (file, first) = Tiff::open(exif)?;
    of(&file.directory(first)?)
}

/// The first `tiff:Orientation="N"` or `<tiff:Orientation>N`.
pub(super) fn from_xmp(xmp: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let digit = |rest: &[u8]| match rest {
        [b'>', digit @ b'0'..=b'9', ..] | [b'=', b'"', digit @ b'0'..=b'9', ..] => {
            Some(digit - b'0')
        }
        _ => None,
    };
    let found = xmp
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, name)| *name == NAME)
        .find_map(|(at, _)| digit(&xmp[at + NAME.len()..]))?;
    Orientation::from_exif(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURNED: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    #[test]
    fn exif_goes_before_xmp_with_and_without_its_prefix() {
        let xmp = b"<rdf:Description tiff:Orientation=\"3\"/>";
        let prefixed = [b"Exif\0\0", TURNED].concat();
        for exif in [TURNED, &prefixed] {
            assert_eq!(from_metadata(Some(exif), Some(xmp)), Orientation::Rotate90);
        }
        assert_eq!(from_metadata(None, Some(xmp)), Orientation::Rotate180);
        assert_eq!(from_metadata(Some(b"broken"), Some(xmp)), Orientation::Rotate180);
        let element = b"<tiff:Orientation>8</tiff:Orientation>";
        assert_eq!(from_metadata(None, Some(element)), Orientation::Rotate270);
        for nothing in [&b"tiff:Orientation"[..], b"tiff:Orientation='6'", b""] {
            assert_eq!(from_metadata(None, Some(nothing)), Orientation::NoTransforms);
        }
    }

    #[test]
    fn a_value_without_a_meaning_turns_nothing() {
        let mut exif = TURNED.to_vec();
        exif[18] = 9;
        let xmp = b"tiff:Orientation=\"3\"";
        assert_eq!(from_metadata(Some(&exif), Some(xmp)), Orientation::NoTransforms);
    }
}
