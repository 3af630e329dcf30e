//! The bytes of a picture to RGB pixels, under limits.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::error::ClassifyError;
use crate::jpeg;
use crate::limits::Limits;
use crate::{tiff, webp};

/// A decoded picture: RGB as stored, and how it is to be turned.
///
/// It is turned only after it was made small ([`crate::fit`]): turning 12 megapixels costs more
/// than classifying them.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Pixels as stored in the file; alpha is already over white.
    pub pixels: RgbImage,
    /// From EXIF; `NoTransforms` where there is none.
    pub orientation: Orientation,
}

/// Decode JPEG, PNG, WebP, GIF (first frame), BMP or TIFF.
///
/// The format is told from the content, never from a name or a content type. Alpha is composed
/// over white, greyscale and CMYK become RGB, 16 bits are scaled to 8.
///
/// # Errors
/// When the format is unknown, the header announces more than `limits` allow, or the data is broken.
pub fn decode(encoded: &[u8], limits: &Limits) -> Result<Picture, ClassifyError> {
    let format = recognise(encoded).ok_or(ClassifyError::UnsupportedFormat)?;
    // Decoders are fuzzed upstream and here; should one panic all the same, one picture is lost,
    // not the process.
    catch_unwind(AssertUnwindSafe(|| decode_as(format, encoded, limits)))
        .unwrap_or(Err(corrupt(format)))
}

fn recognise(encoded: &[u8]) -> Option<ImageFormat> {
    image::guess_format(encoded).ok().filter(|format| {
        use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        matches!(format, Jpeg | Png | WebP | Gif | Bmp | Tiff)
    })
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        _ => "TIFF",
    }
}

fn decode_as(
    format: ImageFormat,
    encoded: &[u8],
    limits: &Limits,
) -> Result<Picture, ClassifyError> {
    let refused = |error| refusal(error, format, limits);
    match format {
        ImageFormat::WebP => {
            let pixels = webp::largest_frame(encoded).ok_or(corrupt(format))?;
            limits.check_pixels(pixels)?;
        }
        ImageFormat::Tiff => tiff::check(encoded, limits)?,
        _ => {}
    }
    let mut reader = ImageReader::with_format(Cursor::new(encoded), format);
    let mut allowance = image::Limits::no_limits();
    allowance.max_alloc = Some(limits.max_decoded_bytes);
    reader.limits(allowance);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    limits.check_pixels(pixels)?;
    let incomplete = format == ImageFormat::Jpeg && !jpeg::is_complete(encoded);
    if pixels == 0 || incomplete {
        return Err(corrupt(format));
    }
    let frame = if format == ImageFormat::Jpeg { jpeg::Frame::first(encoded) } else { None };
    let kept = frame.map_or(0, jpeg::Frame::kept_bytes);
    limits.check_bytes(decoder.total_bytes().saturating_add(kept))?;
    let orientation = decoder.orientation().map_err(refused)?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(refused)?;
    Ok(Picture { pixels: to_rgb(decoded), orientation })
}

fn refusal(error: ImageError, format: ImageFormat, limits: &Limits) -> ClassifyError {
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            ClassifyError::TooMuchMemory { limit: limits.max_decoded_bytes }
        }
        ImageError::Unsupported(_) => ClassifyError::UnsupportedVariant { format: name(format) },
        _ => corrupt(format),
    }
}

fn corrupt(format: ImageFormat) -> ClassifyError {
    ClassifyError::Corrupt { format: name(format) }
}

fn to_rgb(decoded: DynamicImage) -> RgbImage {
    match decoded {
        DynamicImage::ImageRgb8(pixels) => pixels,
        other if other.color().has_alpha() => over_white(other),
        other => other.into_rgb8(),
    }
}

fn over_white(decoded: DynamicImage) -> RgbImage {
    let rgba = decoded.into_rgba8();
    let (width, height) = rgba.dimensions();
    let mut rgb = RgbImage::new(width, height);
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0;
        to.0 = [r, g, b].map(|channel| blend_with_white(channel, alpha));
    }
    rgb
}

/// `channel × alpha + white × (1 − alpha)`, rounded to nearest.
fn blend_with_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    let blended = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(blended).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, Rgba};

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
        assert_eq!(blend_with_white(100, 128), 177);
        assert_eq!(blend_with_white(7, 255), 7);
    }

    #[test]
    fn sixteen_bits_are_scaled_not_clipped() {
        let grey = DynamicImage::ImageLuma16(ImageBuffer::from_pixel(1, 1, Luma([0x80FF])));
        let picture = decode(&encode(&grey, ImageFormat::Png), &Limits::default()).unwrap();
        assert!(picture.pixels.get_pixel(0, 0).0[0].abs_diff(0x80) <= 1);
    }

    #[test]
    fn pixels_are_limited_by_the_header_alone() {
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
    fn unknown_formats_and_broken_files_are_told_apart() {
        let error = decode(b"%PDF-1.7 not a picture", &Limits::default()).unwrap_err();
        assert!(matches!(error, ClassifyError::UnsupportedFormat), "{error:?}");
        assert!(matches!(decode(b"", &Limits::default()), Err(ClassifyError::UnsupportedFormat)));
        use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        for format in [Bmp, Gif, Jpeg, Png, Tiff, WebP] {
            let bytes = encode(&DynamicImage::new_rgb8(32, 32), format);
            let error = decode(&bytes[..bytes.len() / 2], &Limits::default()).unwrap_err();
            assert!(matches!(error, ClassifyError::Corrupt { .. }), "{format:?}: {error:?}");
        }
    }
}
