//! What a directory says of its picture, checked: where its strips or tiles are and what is in them.

use std::borrow::Cow;

use super::colour::{self, Alpha, Colour};
use super::compression::Compression;
use super::old_jpeg::{self, Strips};
use super::samples::{Kind, Predictor, Samples};
use super::{broken, tag, unsupported};
use crate::decode::ifd::{Directory, Tiff};
use crate::decode::limits::Limits;
use crate::error::ClassifyError;

/// More strips or tiles than any picture has that was not made to take long.
const MAX_CHUNKS: usize = 50_000;

/// A picture of a TIFF file.
pub(super) struct Layout<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Width and height of a strip or tile.
    pub(super) chunk: (usize, usize),
    /// The bytes of each strip or tile, plane after plane.
    pub(super) chunks: Vec<Cow<'a, [u8]>>,
    pub(super) compression: Compression,
    pub(super) jpeg_tables: &'a [u8],
    pub(super) reversed_bits: bool,
    pub(super) predictor: Predictor,
    pub(super) samples: Samples,
    /// Samples of a pixel, in one plane or in as many.
    pub(super) channels: usize,
    pub(super) planar: bool,
    pub(super) colour: Colour,
    pub(super) alpha: Alpha,
    /// Pixels across and down that share their chroma.
    pub(super) chroma: (usize, usize),
    /// Whether the JPEG decoder turns YCbCr to RGB.
    pub(super) ycbcr_in_jpeg: bool,
    pub(super) tiled: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn read(
        file: &Tiff<'a>,
        directory: &Directory<'a>,
        limits: &Limits,
    ) -> Result<Self, ClassifyError> {
        let number = |tag, otherwise: u64| match directory.contains(tag) {
            true => directory.number(tag).ok_or(broken()),
            false => Ok(otherwise),
        };
        let size = |tag, otherwise| usize::try_from(number(tag, otherwise)?).map_err(|_| broken());
        let side = |tag| u32::try_from(number(tag, 0)?).map_err(|_| broken());
        // Text and private tags may be broken; what describes pixels may not.
        if !directory.is_complete(tag::IMAGE_WIDTH..=tag::IMAGE_LENGTH)
            || !directory.is_complete(tag::BITS_PER_SAMPLE..=tag::FILL_ORDER)
            || !directory.is_complete(tag::STRIP_OFFSETS..=tag::STRIP_BYTE_COUNTS)
            || !directory.is_complete(tag::PLANAR_CONFIGURATION..=tag::PLANAR_CONFIGURATION)
            || !directory.is_complete(tag::PREDICTOR..=tag::TILE_BYTE_COUNTS)
            || !directory.is_complete(tag::EXTRA_SAMPLES..=tag::SAMPLE_FORMAT)
        {
            return Err(broken());
        }
        let (width, height) = (side(tag::IMAGE_WIDTH)?, side(tag::IMAGE_LENGTH)?);
        limits.check_pixels(u64::from(width) * u64::from(height))?;
        let (width, height) = (width as usize, height as usize);
        if width == 0 || height == 0 {
            return Err(broken());
        }
        let compression =
            Compression::read(number(tag::COMPRESSION, 1)?, number(tag::T4_OPTIONS, 0)?)
                .map_err(unsupported)?;
        // Writers of old-style JPEG left tags out; libtiff takes three samples then.
        let is_old_jpeg = compression == Compression::OldJpeg;
        let channels = size(tag::SAMPLES_PER_PIXEL, if is_old_jpeg { 3 } else { 1 })?;
        if !(1..=32).contains(&channels) {
            return Err(unsupported("this number of samples per pixel"));
        }
        let mut samples = samples(file, directory, compression, channels)?;
        let chroma = chroma(directory)?;
        let mut colour = colour::read(directory, samples, compression, channels)?;
        let planar = channels > 1 && number(tag::PLANAR_CONFIGURATION, 1)? == 2;
        if channels < colour.channels() {
            return Err(broken());
        }
        let alpha = colour::alpha(directory, &colour, channels);
        let mut chroma = if matches!(colour, Colour::Ycbcr(_)) { chroma } else { (1, 1) };
        let is_jpeg = compression.is_jpeg();
        // The old style's conversion is that of the tags.
        let ycbcr_in_jpeg =
            is_jpeg && !is_old_jpeg && matches!(colour, Colour::Ycbcr(_)) && !planar;
        if ycbcr_in_jpeg {
            colour = Colour::Rgb;
        }
        if is_jpeg {
            // Its decoder undoes subsampling and gives 8 bits.
            (chroma, samples) = ((1, 1), Samples { kind: Kind::Unsigned, bits: 8, ..samples });
        }
        if chroma != (1, 1) && (planar || samples.bits != 8 || channels != 3) {
            return Err(unsupported("subsampled chroma in planes or of other than 8 bits"));
        }
        let predictor = match number(tag::PREDICTOR, 1)? {
            0 | 1 => Predictor::None,
            // libtiff passes over it; others do not.
            _ if !compression.has_predictor() && samples.bits != 8 => {
                return Err(unsupported("a predictor without compression"));
            }
            _ if !compression.has_predictor() => Predictor::None,
            2 if matches!(samples.bits, 8 | 16 | 32 | 64) => Predictor::Horizontal,
            3 if samples.kind == Kind::Float => Predictor::FloatingPoint,
            _ => return Err(unsupported("this predictor")),
        };
        let tiled = directory.contains(tag::TILE_WIDTH);
        let chunk = if tiled {
            (size(tag::TILE_WIDTH, 0)?, size(tag::TILE_LENGTH, 0)?)
        } else {
            (width, size(tag::ROWS_PER_STRIP, u64::MAX).unwrap_or(height).min(height))
        };
        if chunk.0 == 0 || chunk.1 == 0 {
            return Err(broken());
        }
        limits.check_pixels((chunk.0 as u64).saturating_mul(chunk.1 as u64))?;
        let mut layout = Self {
            width,
            height,
            chunk,
            chunks: Vec::new(),
            compression,
            jpeg_tables: directory.bytes(tag::JPEG_TABLES).unwrap_or_default(),
            reversed_bits: number(tag::FILL_ORDER, 1)? == 2 && !is_jpeg,
            predictor,
            samples,
            channels,
            planar,
            colour,
            alpha,
            chroma,
            ycbcr_in_jpeg,
            tiled,
        };
        let chunks = layout.find_chunks(file, directory)?;
        // Several strips may share their bytes, which are read once for each.
        limits.check_bytes(chunks.iter().map(|chunk| chunk.len() as u64).sum())?;
        if is_old_jpeg {
            if planar || layout.grid().0 != 1 {
                return Err(unsupported("old-style JPEG in planes or tiles"));
            }
            // They are put together in memory, so none may be there twice.
            if chunks.iter().map(|chunk| chunk.len()).sum::<usize>() > file.len() {
                return Err(broken());
            }
            let strips = Strips { chunks: &chunks, width: chunk.0, rows: chunk.1, channels };
            layout.chunks = vec![Cow::Owned(old_jpeg::stream(file, directory, &strips)?)];
            layout.chunk = (width, height);
        } else {
            layout.chunks = chunks.into_iter().map(Cow::Borrowed).collect();
        }
        Ok(layout)
    }

    /// Strips or tiles across and down.
    pub(super) fn grid(&self) -> (usize, usize) {
        (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1))
    }

    pub(super) fn planes(&self) -> usize {
        if self.planar { self.channels } else { 1 }
    }

    /// Planes that make pixels: extra ones without a meaning are not read.
    pub(super) fn used_planes(&self) -> usize {
        let alpha = usize::from(self.alpha != Alpha::Opaque);
        self.planes().min(self.colour.channels() + alpha)
    }

    /// Samples of a pixel in one plane.
    pub(super) fn plane_channels(&self) -> usize {
        if self.planar { 1 } else { self.channels }
    }

    fn find_chunks(
        &self,
        file: &Tiff<'a>,
        directory: &Directory<'a>,
    ) -> Result<Vec<&'a [u8]>, ClassifyError> {
        // Some writers put the places of tiles into the tags for strips.
        let (offsets, lengths) = if directory.contains(tag::TILE_OFFSETS) {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        let (across, down) = self.grid();
        let expected = across.saturating_mul(down).saturating_mul(self.planes());
        if expected > MAX_CHUNKS || directory.count(offsets) > MAX_CHUNKS {
            return Err(unsupported("more than 50,000 strips or tiles"));
        }
        let offsets = directory.numbers(offsets).ok_or(broken())?;
        if offsets.len() < expected {
            return Err(broken());
        }
        let (lengths, are_stated) = match directory.numbers(lengths) {
            Some(found) if found.len() >= expected && found.iter().any(|length| *length > 0) => {
                (found, true)
            }
            Some(found) if found.iter().all(|length| *length == 0) => (reaches(&offsets), false),
            None if !directory.contains(lengths) => (reaches(&offsets), false),
            _ => return Err(broken()),
        };
        let chunks = offsets.iter().zip(&lengths).take(expected);
        // As libtiff reads them, packed ones must be there as a whole where their lengths are stated.
        let is_cut =
            |(offset, length): (&u64, &u64)| offset.saturating_add(*length) > file.len() as u64;
        let is_packed = !matches!(self.compression, Compression::None | Compression::OldJpeg);
        if is_packed && are_stated && chunks.clone().any(is_cut) {
            return Err(broken());
        }
        Ok(chunks.map(|(offset, length)| file.slice(*offset, *length)).collect())
    }
}

/// Without lengths, each strip or tile reaches to the next one or to the end of the file.
fn reaches(offsets: &[u64]) -> Vec<u64> {
    let mut sorted = offsets.to_vec();
    sorted.sort_unstable();
    let next = |offset: u64| sorted.get(sorted.partition_point(|other| *other <= offset));
    offsets.iter().map(|offset| next(*offset).map_or(u64::MAX, |next| next - offset)).collect()
}

fn samples(
    file: &Tiff<'_>,
    directory: &Directory<'_>,
    compression: Compression,
    channels: usize,
) -> Result<Samples, ClassifyError> {
    let all_equal = |tag, otherwise: u64| {
        let values = match directory.contains(tag) {
            true => directory.numbers(tag).ok_or(broken())?,
            false => vec![otherwise],
        };
        let first = *values.first().ok_or(broken())?;
        if values.iter().take(channels).any(|value| *value != first) {
            return Err(unsupported("samples of different kinds"));
        }
        Ok(first)
    };
    let bits = match compression {
        Compression::Fax(_) if all_equal(tag::BITS_PER_SAMPLE, 1)? != 1 => {
            return Err(unsupported("CCITT compression of other than 1 bit per sample"));
        }
        Compression::OldJpeg => 8,
        _ => all_equal(tag::BITS_PER_SAMPLE, 1)?,
    };
    let kind = match all_equal(tag::SAMPLE_FORMAT, 1)? {
        2 => Kind::Signed,
        3 => Kind::Float,
        5 | 6 => return Err(unsupported("complex samples")),
        // Undefined (4) is shown as unsigned.
        _ => Kind::Unsigned,
    };
    let known = match kind {
        Kind::Float => matches!(bits, 16 | 32 | 64),
        Kind::Signed => matches!(bits, 8 | 16 | 32 | 64),
        Kind::Unsigned => (1..=16).contains(&bits) || matches!(bits, 24 | 32 | 64),
    };
    if !known {
        return Err(unsupported("this number of bits per sample"));
    }
    let bits = usize::try_from(bits).map_err(|_| broken())?;
    Ok(Samples { kind, bits, little_endian: file.little_endian })
}

fn chroma(directory: &Directory<'_>) -> Result<(usize, usize), ClassifyError> {
    let factor = |value: &u64| usize::try_from(*value).ok().filter(|v| matches!(v, 1 | 2 | 4));
    match directory.numbers(tag::YCBCR_SUB_SAMPLING).as_deref() {
        None => Ok((2, 2)),
        Some([across, down]) => {
            // TIFF 6.0 allows no more rows than columns; libtiff reads 1 × 2 all the same.
            let shared =
                factor(across).zip(factor(down)).filter(|shared| !matches!(shared, (1 | 2, 4)));
            shared.ok_or(unsupported("this subsampling of chroma"))
        }
        Some(_) => Err(broken()),
    }
}
