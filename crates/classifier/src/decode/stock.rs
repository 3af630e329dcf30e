//! Files that crate `image` decodes as they are.

use std::io::Cursor;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::{Decoder, corrupt, rgb};
use crate::error::ClassifyError;

/// A file with its decoder of crate `image`.
pub(super) struct Stock<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    header: Header,
    limits: Limits,
}

/// Read the header of a file.
pub(super) fn open<'a>(
    format: Format,
    encoded: &'a [u8],
    limits: &Limits,
) -> Result<Stock<'a>, ClassifyError> {
    let refused = |error| refusal(error, format, limits);
    let mut reader = ImageReader::with_format(Cursor::new(encoded), library_format(format));
    let mut allowance = image::Limits::no_limits();
    allowance.max_alloc = Some(limits.max_decoded_bytes);
    reader.limits(allowance);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let header = Header::new(format, decoder.dimensions());
    // Reading the orientation of some formats reads on, so the size is checked first.
    limits.check_pixels(header.pixels())?;
    let orientation = decoder.orientation().map_err(refused)?;
    let header = Header { orientation, ..header };
    Ok(Stock { decoder: Box::new(decoder), header, limits: *limits })
}

fn library_format(format: Format) -> ImageFormat {
    match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Gif => ImageFormat::Gif,
        Format::Bmp => ImageFormat::Bmp,
        Format::Tiff => ImageFormat::Tiff,
        Format::Heic | Format::Avif => ImageFormat::Avif,
    }
}

impl Decoder for Stock<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        Cost::new(self.decoder.total_bytes(), self.header.pixels(), 20)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { decoder, header, limits } = *self;
        let decoded = DynamicImage::from_decoder(decoder);
        Ok(rgb::to_rgb(decoded.map_err(|error| refusal(error, header.format, &limits))?))
    }
}

fn refusal(error: ImageError, format: Format, limits: &Limits) -> ClassifyError {
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            ClassifyError::TooMuchMemory { limit: limits.max_decoded_bytes }
        }
        ImageError::Unsupported(_) => {
            let format = format.name();
            ClassifyError::UnsupportedVariant { format, variant: "this variant" }
        }
        _ => corrupt(format),
    }
}
