//! What the strips and tiles of a TIFF file cost: its decoder holds none of it to the picture's size.
//!
//! JPEG data in a strip is decoded at the size that its own header says, and a strip of one byte
//! takes microseconds, where a million of them may be the same byte. Format: TIFF 6.0, sections 3
//! and 15; JPEG in it: Adobe Photoshop TIFF technical notes of 2002.

use std::io::Cursor;

use tiff::TiffError;
use tiff::decoder::Decoder;
use tiff::tags::{CompressionMethod, Tag};

use super::format::Format;
use super::jpeg::Frame;
use super::limits::Limits;
use super::stock::{self, Stock};
use crate::error::ClassifyError;

/// More strips or tiles than any picture has that was not made to take long.
const MAX_CHUNKS: usize = 50_000;

/// Read the header of a TIFF file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<Stock<'a>, ClassifyError> {
    check(encoded, limits)?;
    stock::open(Format::Tiff, encoded, limits)
}

/// Hold the first picture's strips or tiles, all of them together, to the limits.
///
/// Faults of the header are left to the decoder, which names them.
fn check(encoded: &[u8], limits: &Limits) -> Result<(), ClassifyError> {
    let Ok(mut decoder) = Decoder::new(Cursor::new(encoded)) else { return Ok(()) };
    let chunks = Chunks::of(&mut decoder).map_err(|_| ClassifyError::Corrupt { format: "TIFF" })?;
    if chunks.places.len() > MAX_CHUNKS {
        let variant = "more than 50,000 strips or tiles";
        return Err(ClassifyError::UnsupportedVariant { format: "TIFF", variant });
    }
    let slices = || chunks.places.iter().map(|(offset, length)| slice(encoded, *offset, *length));
    // Several may share their bytes, which are read once for each.
    let bytes: usize = slices().map(|chunk| chunks.tables.len() + chunk.len()).sum();
    limits.check_bytes(bytes as u64)?;
    if !chunks.are_jpeg {
        return Ok(());
    }
    // As the decoder joins them: where there are tables, their end and a chunk's beginning go.
    let (tables, after) = match chunks.tables.split_last_chunk::<2>() {
        Some((tables, _end)) => (tables, 2),
        None => (&[][..], 0),
    };
    let mut pixels = 0;
    for chunk in slices() {
        let whole = [tables, chunk.get(after..).unwrap_or_default()].concat();
        for frame in Frame::all(&whole) {
            limits.check_pixels(frame.pixels())?;
            pixels += frame.pixels();
            limits.check_bytes(frame.decoded_bytes() + frame.kept_bytes())?;
        }
    }
    // Tiles at the edges reach beyond the picture.
    if pixels > limits.max_pixels.saturating_mul(2) {
        return Err(ClassifyError::ImageTooLarge { pixels, limit: limits.max_pixels });
    }
    Ok(())
}

struct Chunks {
    /// Offset and length.
    places: Vec<(u64, u64)>,
    are_jpeg: bool,
    /// What all JPEG data begins with.
    tables: Vec<u8>,
}

impl Chunks {
    fn of(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Self, TiffError> {
        let mut numbers = |tag| decoder.find_tag_unsigned_vec::<u64>(tag);
        let (offsets, lengths) = match numbers(Tag::StripOffsets)? {
            Some(strips) => (Some(strips), numbers(Tag::StripByteCounts)?),
            None => (numbers(Tag::TileOffsets)?, numbers(Tag::TileByteCounts)?),
        };
        let places = offsets.into_iter().flatten().zip(lengths.into_iter().flatten()).collect();
        let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression)?;
        let are_jpeg = compression == Some(CompressionMethod::ModernJPEG.to_u16());
        let tables = if are_jpeg { decoder.find_tag(Tag::JPEGTables)? } else { None };
        let tables = tables.map(tiff::decoder::ifd::Value::into_u8_vec).transpose()?;
        Ok(Self { places, are_jpeg, tables: tables.unwrap_or_default() })
    }
}

/// What of a chunk lies in the file.
fn slice(encoded: &[u8], offset: u64, length: u64) -> &[u8] {
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(encoded.len());
    encoded.get(at(offset)..at(offset.saturating_add(length))).unwrap_or_default()
}
