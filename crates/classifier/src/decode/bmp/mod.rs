//! BMP, of Windows and OS/2, with the pixels that Pillow gives: row by row, which crate `image` cannot.
//!
//! A bitmap whose alpha is zero everywhere is opaque, as viewers show it: programs leave the byte unset.

mod header;
mod runs;

use std::borrow::Cow;

use image::RgbImage;

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::rgb::over_white;
use super::{Decoder, corrupt};
use crate::error::ClassifyError;
use header::{BitmapHeader, Layout, Masks};

/// A BMP file whose header was read.
pub(super) struct Bmp<'a> {
    encoded: &'a [u8],
    bitmap: BitmapHeader,
}

/// Read the header of a BMP file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<Bmp<'a>, ClassifyError> {
    let bitmap = BitmapHeader::read(encoded)?;
    limits.check_pixels(u64::from(bitmap.width) * u64::from(bitmap.height))?;
    Ok(Bmp { encoded, bitmap })
}

impl Decoder for Bmp<'_> {
    fn header(&self) -> Header {
        Header::new(Format::Bmp, (self.bitmap.width, self.bitmap.height))
    }

    fn cost(&self, _scale: Scale) -> Cost {
        let pixels = self.header().pixels();
        // Runs are unpacked to an index for each pixel.
        let indices = if matches!(self.bitmap.layout, Layout::Runs { .. }) { pixels } else { 0 };
        Cost::new(3 * pixels + indices + (64 << 10), pixels, 20)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { encoded, bitmap } = *self;
        let (width, height) = (bitmap.width as usize, bitmap.height as usize);
        let (data, bits) = match bitmap.layout {
            Layout::Rows => {
                (Cow::Borrowed(encoded.get(bitmap.start..).unwrap_or_default()), bitmap.bits)
            }
            Layout::Runs { nibbles } => {
                let indices = runs::unpack(encoded, bitmap.start, nibbles, (width, height));
                (Cow::Owned(indices), 8)
            }
        };
        let row_bytes = (width * bits).div_ceil(8);
        let stride = match bitmap.layout {
            Layout::Rows => row_bytes.next_multiple_of(4),
            Layout::Runs { .. } => width,
        };
        let row = |y: usize| data.get(y * stride..y * stride + row_bytes).ok_or(broken());
        let masks = bitmap.masks.map(|masks| {
            let is_clear = |y| row(y).is_ok_and(|row| masks.is_clear(row, bits));
            if (0..height).all(is_clear) { masks.opaque() } else { masks }
        });
        let mut pixels = RgbImage::new(bitmap.width, bitmap.height);
        for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let from = row(if bitmap.top_down { y } else { height - 1 - y })?;
            match &masks {
                Some(masks) => write_masked(from, bits, masks, out),
                None => write_indexed(from, bits, &bitmap.palette, out),
            }
        }
        Ok(pixels)
    }
}

fn write_masked(row: &[u8], bits: usize, masks: &Masks, out: &mut [u8]) {
    for (to, from) in out.chunks_exact_mut(3).zip(row.chunks_exact(bits / 8)) {
        let (colour, alpha) = masks.pixel(from);
        to.copy_from_slice(&colour.map(|channel| over_white(channel, alpha)));
    }
}

fn write_indexed(row: &[u8], bits: usize, palette: &[[u8; 3]], out: &mut [u8]) {
    let per_byte = 8 / bits;
    for (x, to) in out.chunks_exact_mut(3).enumerate() {
        let shift = (per_byte - 1 - x % per_byte) * bits;
        let index = usize::from(row[x / per_byte]) >> shift & ((1 << bits) - 1);
        to.copy_from_slice(palette.get(index).unwrap_or(&[0; 3]));
    }
}

fn broken() -> ClassifyError {
    corrupt(Format::Bmp)
}

fn unsupported(variant: &'static str) -> ClassifyError {
    ClassifyError::UnsupportedVariant { format: Format::Bmp.name(), variant }
}
