//! TIFF 6.0 and `BigTIFF`, as scanners, cameras and laboratories write them.
//!
//! Strips and tiles are unpacked row by row, so that neither 32-bit samples nor a compressed strip ever
//! lie in memory beside the picture as a whole; strips of JPEG data do.

mod colour;
mod compression;
mod fax;
mod layout;
mod old_jpeg;
mod samples;
mod tag;

use std::borrow::Cow;
use std::io::Read;
use std::ops::ControlFlow;

use image::RgbImage;
use image::metadata::Orientation;

use super::cost::Cost;
use super::format::Format;
use super::ifd;
use super::jpeg::{Strip, StripColour};
use super::limits::Limits;
use super::picture::{Header, Request, Scale};
use super::{Decoder, corrupt, orientation};
use crate::error::ClassifyError;
use colour::Colour;
use compression::Compression;
use layout::Layout;
use samples::Range;

/// The tag for XMP metadata.
const XMP: u16 = 700;

/// A TIFF file whose directories were read.
pub(super) struct Tiff<'a> {
    layout: Layout<'a>,
    header: Header,
    limits: Limits,
    /// The most bytes that a strip of JPEG data takes.
    strip_bytes: u64,
}

/// Read the directory of the page that is wanted.
pub(super) fn open<'a>(
    encoded: &'a [u8],
    request: Request,
    limits: &Limits,
) -> Result<Tiff<'a>, ClassifyError> {
    let (file, first) = ifd::Tiff::open(encoded).ok_or(broken())?;
    let pages = file.chain(first);
    let count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    let offset = pages.get(request.page as usize).ok_or(match count {
        0 => broken(),
        pages => ClassifyError::NoSuchPage { page: request.page, pages },
    })?;
    let directory = file.directory(*offset).ok_or(broken())?;
    let layout = Layout::read(&file, &directory, limits)?;
    let strip_bytes = check_jpeg(&layout, limits)?;
    let xmp = || directory.bytes(XMP).and_then(orientation::from_xmp);
    let side = |side| u32::try_from(side).unwrap_or(u32::MAX);
    let header = Header {
        orientation: orientation::of(&directory).or_else(xmp).unwrap_or(Orientation::NoTransforms),
        pages: count,
        ..Header::new(Format::Tiff, (side(layout.width), side(layout.height)))
    };
    Ok(Tiff { layout, header, limits: *limits, strip_bytes })
}

/// Hold strips of JPEG data to the limits: each is decoded at the size that its own header states.
fn check_jpeg(layout: &Layout<'_>, limits: &Limits) -> Result<u64, ClassifyError> {
    if !layout.compression.is_jpeg() {
        return Ok(0);
    }
    let (mut pixels, mut most) = (0_u64, 0);
    for chunk in &layout.chunks {
        let strip = Strip::open(layout.jpeg_tables, chunk, strip_colour(layout), limits)?;
        let (width, height) = strip.size();
        let own = u64::from(width) * u64::from(height);
        limits.check_pixels(own)?;
        pixels = pixels.saturating_add(own);
        most = most.max(strip.cost().peak_bytes);
    }
    // Tiles at the edges reach beyond the picture, and planes lie over each other.
    let planes = layout.planes() as u64;
    if pixels > limits.max_pixels.saturating_mul(2 * planes) {
        return Err(ClassifyError::ImageTooLarge { pixels, limit: limits.max_pixels });
    }
    limits.check_bytes(most)?;
    Ok(most)
}

/// The layout has RGB for YCbCr whose conversion is the JPEG decoder's.
fn strip_colour(layout: &Layout<'_>) -> StripColour {
    match layout.compression {
        Compression::OldJpeg => StripColour::Repeated,
        _ if layout.ycbcr_in_jpeg => StripColour::FromYcbcr,
        _ => StripColour::Stored,
    }
}

impl Decoder for Tiff<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        let Layout { chunks, samples, channels, chunk, compression, .. } = &self.layout;
        let row = samples.row_bytes(chunk.0.saturating_mul(*channels)) as u64;
        let packed = chunks.iter().map(|chunk| chunk.len() as u64).max().unwrap_or(0);
        // A chunk is copied where its bits are reversed; old-style JPEG is put together.
        let is_copied = self.layout.reversed_bits || compression == &Compression::OldJpeg;
        let copied = if is_copied { packed } else { 0 };
        let unpacked = row.saturating_mul(chunk.1 as u64);
        let readers = (self.layout.used_planes() as u64) * compression.reader_bytes(unpacked);
        let pixels = self.header.pixels();
        let rows = 4 * row + 8 * chunk.0 as u64 * (*channels as u64);
        let passes = if samples.needs_range() { 2 } else { 1 };
        // A byte of LZW takes longer than one of deflate; fax and JPEG have few bytes for their pixels.
        let byte = match self.layout.compression {
            Compression::Lzw => 10,
            _ => 4,
        };
        let unpacked = samples.row_bytes(*channels) as u64 * pixels;
        Cost::new(3 * pixels + rows + copied + readers + self.strip_bytes, pixels, passes * 9)
            .and(unpacked, passes * byte)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { layout, header, limits, .. } = *self;
        let seen = if layout.samples.needs_range() {
            let mut range = Range::EMPTY;
            for_each_row(&layout, &limits, |place| {
                for row in place.planes {
                    range = layout.samples.widen(range, row, place.samples / layout.planes());
                }
                Ok(())
            })?;
            range
        } else {
            Range::EMPTY
        };
        let range = layout.samples.range(seen);
        let mut pixels = vec![0; layout.width * layout.height * 3];
        let mut line = Vec::new();
        let mut plane = Vec::new();
        for_each_row(&layout, &limits, |place| {
            let out = &mut pixels[(place.top * layout.width + place.left) * 3..][..place.width * 3];
            line.clear();
            if let Colour::Palette(colours) = &layout.colour {
                let channels = layout.plane_channels();
                for (pixel, to) in out.chunks_exact_mut(3).enumerate() {
                    let index = layout.samples.index(&place.planes[0], pixel * channels);
                    to.copy_from_slice(&colour::shade(colours, index));
                }
                return Ok(());
            }
            if layout.planar {
                line.resize(place.samples, 0);
                for (channel, row) in place.planes.iter().enumerate() {
                    plane.clear();
                    layout.samples.scale(row, place.width, range, &mut plane);
                    for (pixel, sample) in plane.iter().enumerate() {
                        line[pixel * layout.channels + channel] = *sample;
                    }
                }
            } else {
                layout.samples.scale(&place.planes[0], place.samples, range, &mut line);
            }
            layout.colour.write_row(&line, layout.channels, layout.alpha, out);
            Ok(())
        })?;
        RgbImage::from_raw(header.width, header.height, pixels).ok_or(broken())
    }
}

/// A row of a strip or tile, and where in the picture it stands.
struct Place<'r> {
    left: usize,
    top: usize,
    /// Pixels of the row that are inside the picture.
    width: usize,
    /// Samples of these pixels, in all planes together.
    samples: usize,
    /// The row's bytes, without their prediction, plane by plane.
    planes: &'r [Vec<u8>],
}

/// Unpack strip by strip or tile by tile, row by row.
fn for_each_row(
    layout: &Layout<'_>,
    limits: &Limits,
    mut visit: impl FnMut(Place<'_>) -> Result<(), ClassifyError>,
) -> Result<(), ClassifyError> {
    let (across, down) = layout.grid();
    let (chunk_width, chunk_height) = layout.chunk;
    let per_plane = across * down;
    for index in 0..per_plane {
        let (left, top) = (index % across * chunk_width, index / across * chunk_height);
        let width = chunk_width.min(layout.width - left);
        let rows = chunk_height.min(layout.height - top);
        let mut readers = Vec::new();
        for plane in 0..layout.used_planes() {
            readers.push(reader(layout, limits, &layout.chunks[plane * per_plane + index], rows)?);
        }
        let mut planes = vec![Vec::new(); readers.len()];
        let samples = width * layout.channels;
        let mut row = 0;
        while row < rows {
            for (reader, plane) in readers.iter_mut().zip(&mut planes) {
                read_row(layout, reader.as_mut(), plane)?;
            }
            let mut give = |planes: &[Vec<u8>]| {
                visit(Place { left, top: top + row, width, samples, planes })?;
                row += 1;
                Ok(if row < rows { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            };
            if layout.chroma == (1, 1) {
                let _ = give(&planes)?;
            } else {
                for line in 0..layout.chroma.1 {
                    let full = [full_chroma(layout, &planes[0], line)];
                    if give(&full)?.is_break() {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The bytes of a strip or tile of which `rows` rows are needed.
fn reader<'a>(
    layout: &Layout<'_>,
    limits: &Limits,
    chunk: &'a [u8],
    rows: usize,
) -> Result<Box<dyn Read + 'a>, ClassifyError> {
    let data = if layout.compression.is_jpeg() {
        Cow::Owned(jpeg_rows(layout, limits, chunk, rows)?)
    } else if layout.reversed_bits {
        Cow::Owned(chunk.iter().map(|byte| byte.reverse_bits()).collect())
    } else {
        Cow::Borrowed(chunk)
    };
    let width = layout.chunk.0 * layout.plane_channels();
    layout.compression.reader(data, width).map_err(unsupported)
}

/// The samples of a strip of JPEG data, which may be wider than the strip should be.
fn jpeg_rows(
    layout: &Layout<'_>,
    limits: &Limits,
    chunk: &[u8],
    rows: usize,
) -> Result<Vec<u8>, ClassifyError> {
    let strip = Strip::open(layout.jpeg_tables, chunk, strip_colour(layout), limits)?;
    let (width, height) = (strip.size().0 as usize, strip.size().1 as usize);
    let channels = layout.plane_channels();
    if width < layout.chunk.0 || height < rows || strip.samples() as usize != channels {
        return Err(broken());
    }
    let mut samples = strip.decode()?;
    let (from, to) = (width * channels, layout.chunk.0 * channels);
    if from != to {
        for row in 1..rows {
            samples.copy_within(row * from..row * from + to, row * to);
        }
    }
    Ok(samples)
}

/// Read a row of one plane, or the rows that share their chroma, and undo the prediction.
fn read_row(
    layout: &Layout<'_>,
    reader: &mut dyn Read,
    row: &mut Vec<u8>,
) -> Result<(), ClassifyError> {
    let (across, down) = layout.chroma;
    let bytes = if layout.chroma == (1, 1) {
        layout.samples.row_bytes(layout.chunk.0 * layout.plane_channels())
    } else {
        layout.chunk.0.div_ceil(across) * (across * down + 2)
    };
    row.resize(bytes, 0);
    reader.read_exact(row).map_err(|_| broken())?;
    layout.predictor.undo(row, layout.samples, layout.plane_channels());
    Ok(())
}

/// A row of YCbCr pixels from units that hold the luma of several and one chroma: TIFF 6.0, section 21.
fn full_chroma(layout: &Layout<'_>, units: &[u8], line: usize) -> Vec<u8> {
    let (across, down) = layout.chroma;
    let mut row = Vec::with_capacity(layout.chunk.0 * 3 + across * 3);
    for unit in units.chunks_exact(across * down + 2) {
        for luma in &unit[line * across..(line + 1) * across] {
            row.extend([*luma, unit[across * down], unit[across * down + 1]]);
        }
    }
    row
}

fn broken() -> ClassifyError {
    corrupt(Format::Tiff)
}

fn unsupported(variant: &'static str) -> ClassifyError {
    ClassifyError::UnsupportedVariant { format: Format::Tiff.name(), variant }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey, two pixels of 8 bits in one strip behind the directory.
    fn file() -> Vec<u8> {
        let entries: [(u16, u32); 8] =
            [(256, 2), (257, 1), (258, 8), (259, 1), (262, 1), (273, 110), (278, 1), (279, 2)];
        let mut file = b"II*\0\x08\0\0\0\x08\0".to_vec();
        for (tag, value) in entries {
            file.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
            file.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        file.extend([0, 0, 0, 0, 7, 200]);
        file
    }

    fn decoded(file: &[u8], page: u32) -> Result<RgbImage, ClassifyError> {
        let source = open(file, Request { page, ..Request::default() }, &Limits::default())?;
        Box::new(source).decode(Scale::Full)
    }

    #[test]
    fn a_truncated_file_is_corrupt_wherever_it_ends() {
        let file = file();
        assert_eq!(decoded(&file, 0).unwrap().into_raw(), [7, 7, 7, 200, 200, 200]);
        for length in 8..file.len() {
            let error = decoded(&file[..length], 0).unwrap_err();
            assert!(
                matches!(error, ClassifyError::Corrupt { format: "TIFF" }),
                "{length}: {error:?}"
            );
        }
    }

    #[test]
    fn a_page_that_is_not_there_is_refused() {
        let error = decoded(&file(), 1).unwrap_err();
        assert!(matches!(error, ClassifyError::NoSuchPage { page: 1, pages: 1 }), "{error:?}");
    }
}
