//! Bytes of a picture to RGB pixels, under limits.
//!
//! [`Source::open`] detects the format and reads the header, [`Source::cost`] says what decoding takes, and
//! [`Source::decode`] does it. Each format has a module of its own, behind [`Decoder`].

mod bmp;
mod cost;
mod detect;
mod format;
mod gif;
mod heif;
mod ifd;
mod isobmff;
mod jpeg;
mod limits;
mod lzw;
mod orientation;
mod picture;
mod png;
mod rgb;
mod tiff;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;

pub use cost::Cost;
pub use format::{Format, FormatSet, UnknownFormat};
pub use limits::Limits;
pub use picture::{Header, Picture, PictureCounts, Request, Scale};

use crate::error::ClassifyError;

/// A file of one format whose header was read.
trait Decoder {
    fn header(&self) -> Header;

    /// What [`Decoder::decode`] takes at this scale.
    fn cost(&self, scale: Scale) -> Cost;

    /// The pixels as stored; alpha over white, grey and CMYK as RGB, more than 8 bits scaled to 8.
    fn decode(self: Box<Self>, scale: Scale) -> Result<RgbImage, ClassifyError>;
}

/// A picture whose header was read and fits the limits.
pub struct Source<'a> {
    header: Header,
    decoder: Box<dyn Decoder + 'a>,
    limits: Limits,
}

/// Decode the first picture of a file at full scale.
///
/// # Errors
/// As [`Source::open`] and [`Source::decode`].
pub fn decode(encoded: &[u8], limits: &Limits) -> Result<Picture, ClassifyError> {
    Source::open(encoded, Request::default(), limits)?.decode(Scale::Full)
}

fn decoder<'a>(
    format: Format,
    encoded: &'a [u8],
    request: Request,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'a>, ClassifyError> {
    Ok(match format {
        Format::Jpeg => Box::new(jpeg::open(encoded, limits)?),
        Format::WebP => Box::new(webp::open(encoded, limits)?),
        Format::Png => Box::new(png::open(encoded, limits)?),
        Format::Gif => Box::new(gif::open(encoded)?),
        Format::Bmp => Box::new(bmp::open(encoded, limits)?),
        Format::Tiff => Box::new(tiff::open(encoded, request, limits)?),
        Format::Heic | Format::Avif => Box::new(heif::open(format, encoded, limits)?),
    })
}

impl<'a> Source<'a> {
    /// Read the header of a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file.
    ///
    /// The format is detected from the content, never from a name or a content type.
    ///
    /// # Errors
    /// When the format is unknown or not accepted, the header is broken, or it announces more
    /// pixels than `limits` allow.
    pub fn open(
        encoded: &'a [u8],
        request: Request,
        limits: &Limits,
    ) -> Result<Self, ClassifyError> {
        let format = Format::detect(encoded).ok_or(ClassifyError::UnsupportedFormat)?;
        if !limits.formats.contains(format) {
            let (format, accepted) = (format.name(), limits.formats.to_string());
            return Err(ClassifyError::FormatNotAccepted { format, accepted });
        }
        let decoder = caught(format, || decoder(format, encoded, request, limits))?;
        let header = decoder.header();
        if request.page >= header.pages {
            return Err(ClassifyError::NoSuchPage { page: request.page, pages: header.pages });
        }
        limits.check_pixels(header.pixels())?;
        if header.pixels() == 0 {
            return Err(corrupt(format));
        }
        Ok(Self { header, decoder, limits: *limits })
    }

    /// What the file's header says.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// What [`Source::decode`] takes at this scale.
    #[must_use]
    pub fn cost(&self, scale: Scale) -> Cost {
        self.decoder.cost(scale)
    }

    /// Decode the picture: alpha is composed over white, greyscale and CMYK become RGB, more than 8
    /// bits are scaled to 8.
    ///
    /// # Errors
    /// When it would take more memory or time than the limits allow, or the data is broken.
    pub fn decode(self, scale: Scale) -> Result<Picture, ClassifyError> {
        let Self { header, decoder, limits } = self;
        limits.check(header.format, &decoder.cost(scale))?;
        let pixels = caught(header.format, || decoder.decode(scale))?;
        Ok(Picture { pixels, header })
    }
}

/// A decoder that panics loses one picture, not the process.
fn caught<T>(
    format: Format,
    work: impl FnOnce() -> Result<T, ClassifyError>,
) -> Result<T, ClassifyError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(corrupt(format)))
}

fn corrupt(format: Format) -> ClassifyError {
    ClassifyError::Corrupt { format: format.name() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgba};

    fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn transparency_is_white() {
        let clear = DynamicImage::ImageRgba8(ImageBuffer::from_pixel(2, 1, Rgba([9, 9, 9, 0])));
        let picture = decode(&encode(&clear, ImageFormat::Png), &Limits::default()).unwrap();
        assert_eq!(picture.pixels.get_pixel(1, 0).0, [255, 255, 255]);
    }

    #[test]
    fn sixteen_bits_are_scaled_not_clipped() {
        let grey = DynamicImage::ImageLuma16(ImageBuffer::from_pixel(1, 1, Luma([0x80FF])));
        let picture = decode(&encode(&grey, ImageFormat::Png), &Limits::default()).unwrap();
        assert!(picture.pixels.get_pixel(0, 0).0[0].abs_diff(0x80) <= 1);
    }

    #[test]
    fn pixels_are_limited_from_the_header() {
        let picture = DynamicImage::new_rgb8(64, 64);
        let bytes = encode(&picture, ImageFormat::Png);
        let limits = Limits { max_pixels: 4095, ..Limits::default() };
        // Only signature and header chunk: nothing could have been decoded.
        let error = decode(&bytes[..33 + 12], &limits).unwrap_err();
        assert!(
            matches!(error, ClassifyError::ImageTooLarge { pixels: 4096, limit: 4095 }),
            "{error:?}"
        );
    }

    #[test]
    fn memory_is_limited_too() {
        let bytes = encode(&DynamicImage::new_rgb8(64, 64), ImageFormat::Bmp);
        let limits = Limits { max_decoded_bytes: 1000, ..Limits::default() };
        let error = decode(&bytes, &limits).unwrap_err();
        assert!(matches!(error, ClassifyError::TooMuchMemory { limit: 1000 }), "{error:?}");
    }

    #[test]
    fn only_accepted_formats_are_opened() {
        let bytes = encode(&DynamicImage::new_rgb8(2, 2), ImageFormat::Bmp);
        let limits = Limits {
            formats: [Format::Jpeg, Format::Png].into_iter().collect(),
            ..Limits::default()
        };
        let error = decode(&bytes, &limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "BMP images are not accepted here; send one of JPEG, PNG (GLIMPSE_FORMATS)"
        );
    }

    #[test]
    fn unknown_formats_and_broken_files_get_different_errors() {
        let error = decode(b"%PDF-1.7 not a picture", &Limits::default()).unwrap_err();
        assert!(matches!(error, ClassifyError::UnsupportedFormat), "{error:?}");
        assert!(matches!(decode(b"", &Limits::default()), Err(ClassifyError::UnsupportedFormat)));
        use ImageFormat::{Bmp, Gif, Png, WebP}; // JPEG and TIFF have tests of their own
        for format in [Bmp, Gif, Png, WebP] {
            let bytes = encode(&DynamicImage::new_rgb8(32, 32), format);
            let error = decode(&bytes[..bytes.len() / 2], &Limits::default()).unwrap_err();
            assert!(matches!(error, ClassifyError::Corrupt { .. }), "{format:?}: {error:?}");
        }
    }
}
