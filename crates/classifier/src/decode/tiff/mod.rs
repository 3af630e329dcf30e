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
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

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
    /// The most bytes that a strip of JPEG data takes, and the time that all of them take.
    strip_bytes: u64,
    strip_time: Duration,
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
    let (strip_bytes, strip_time) = check_jpeg(&layout, limits)?;
    let xmp = || directory.bytes(XMP).and_then(orientation::from_xmp);
    let side = |side| u32::try_from(side).unwrap_or(u32::MAX);
    let header = Header {
        orientation: orientation::of(&directory).or_else(xmp).unwrap_or(Orientation::NoTransforms),
        pages: count,
        ..Header::new(Format::Tiff, (side(layout.width), side(layout.height)))
    };
    Ok(Tiff { layout, header, limits: *limits, strip_bytes, strip_time })
}

/// Hold strips of JPEG data to the limits: each is decoded at the size that its own header states.
fn check_jpeg(layout: &Layout<'_>, limits: &Limits) -> Result<(u64, Duration), ClassifyError> {
    let (mut pixels, mut most, mut time) = (0_u64, 0, Duration::ZERO);
    if !layout.compression.is_jpeg() {
        return Ok((most, time));
    }
    for chunk in &layout.chunks {
        let strip = Strip::open(layout.jpeg_tables, chunk, strip_colour(layout), limits)?;
        let (width, height) = strip.size();
        let own = u64::from(width) * u64::from(height);
        limits.check_pixels(own)?;
        pixels = pixels.saturating_add(own);
        let cost = strip.cost();
        most = most.max(cost.peak_bytes);
        time = time.saturating_add(cost.time);
    }
    // Tiles at the edges reach beyond the picture, and planes lie over each other.
    let planes = layout.planes() as u64;
    if pixels > limits.max_pixels.saturating_mul(2 * planes) {
        return Err(ClassifyError::ImageTooLarge { pixels, limit: limits.max_pixels });
    }
    limits.check_bytes(most)?;
    Ok((most, time))
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
        let chunk_bytes = row.saturating_mul(chunk.1 as u64);
        let readers = (self.layout.used_planes() as u64) * compression.reader_bytes(chunk_bytes);
        let pixels = self.header.pixels();
        let rows = 4 * row + 8 * chunk.0 as u64 * (*channels as u64);
        let peak_bytes = 3 * pixels + rows + copied + readers + self.strip_bytes;
        let passes = if samples.needs_range() { 2 } else { 1 };
        // A byte of LZW takes longer than one of deflate; fax and JPEG have few bytes for their pixels.
        let byte = match self.layout.compression {
            Compression::Lzw => 10,
            _ => 4,
        };
        // Tiles at the edges are unpacked with what of them lies outside the picture, and strips may share
        // their data, which is read for each.
        let (across, down) = self.layout.grid();
        let rows_in_all =
            (across as u64).saturating_mul(down as u64).saturating_mul(chunk.1 as u64);
        let unpacked = row.saturating_mul(rows_in_all);
        let used = across.saturating_mul(down).saturating_mul(self.layout.used_planes());
        let packed = chunks.iter().take(used).map(|chunk| chunk.len() as u64).sum();
        let cost = Cost::new(peak_bytes, pixels, passes * 9)
            .and(unpacked, passes * byte)
            .and(packed, passes * compression.packed_byte_time());
        Cost { time: cost.time.saturating_add(self.strip_time), ..cost }
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
        finish(layout, rows, &mut readers, &planes)?;
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

/// Read what of a strip or tile lies below the picture, and the checksum behind the data: damage to pixels
/// may show there alone. A tile must be whole, a strip need not; more data than rows is no damage, and not
/// read to the end if it is more than twice as much.
fn finish(
    layout: &Layout<'_>,
    rows: usize,
    readers: &mut [Box<dyn Read + '_>],
    planes: &[Vec<u8>],
) -> Result<(), ClassifyError> {
    if !layout.compression.has_codes_of_bytes() {
        return Ok(());
    }
    let units = |rows: usize| rows.div_ceil(layout.chroma.1);
    let hidden = units(layout.chunk.1) - units(rows);
    for (reader, plane) in readers.iter_mut().zip(planes) {
        let mut left = hidden as u64 * plane.len() as u64;
        if layout.tiled {
            let read = io::copy(&mut reader.by_ref().take(left), &mut io::sink());
            left -= read.ok().filter(|read| *read == left).ok_or(broken())?;
        }
        if layout.compression == Compression::Deflate {
            let most = left + layout.chunk.1 as u64 * plane.len() as u64 + 1;
            io::copy(&mut reader.take(most), &mut io::sink()).map_err(|_| broken())?;
        }
    }
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

    /// One pixel wide, in `rows` strips or tiles that all have the same bytes.
    fn shared(compression: u32, rows: u32, tile_width: Option<u32>, data: &[u8]) -> Vec<u8> {
        let offsets = 8 + 2 + 12 * 10 + 4;
        let start = offsets + 8 * rows;
        let length = u32::try_from(data.len()).unwrap();
        // A single value stands in its entry.
        let array = |value, place| if rows == 1 { value } else { offsets + 4 * rows * place };
        let (starts, lengths) = (array(start, 0), array(length, 1));
        let mut entries =
            vec![(256, 1, 1), (257, 1, rows), (258, 1, 8), (259, 1, compression), (262, 1, 1)];
        entries.extend(match tile_width {
            None => {
                [(273, rows, starts), (277, 1, 1), (278, 1, 1), (279, rows, lengths), (284, 1, 1)]
            }
            Some(width) => [
                (284, 1, 1),
                (322, 1, width),
                (323, 1, 1),
                (324, rows, starts),
                (325, rows, lengths),
            ],
        });
        let mut file = b"II*\0\x08\0\0\0\x0a\0".to_vec();
        for (tag, count, value) in entries {
            let (tag, kind): (u16, u16) = (tag, 4);
            file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        file.extend([0; 4]);
        (0..rows).for_each(|_| file.extend(start.to_le_bytes()));
        (0..rows).for_each(|_| file.extend(length.to_le_bytes()));
        [&file, data].concat()
    }

    fn time(file: &[u8]) -> Duration {
        open(file, Request::default(), &Limits::default()).unwrap().cost(Scale::Full).time
    }

    #[test]
    fn what_is_unpacked_for_no_pixel_costs_time_too() {
        let narrow = time(&shared(8, 1000, Some(16), b"x"));
        let wide = time(&shared(8, 1000, Some(5_000_000), b"x"));
        assert!(narrow < Duration::from_millis(10) && wide > Duration::from_secs(2), "{wide:?}");
        let data = [0x80; 8000];
        for (compression, least) in [(5, 3000), (8, 1500), (32773, 1500), (50000, 3000)] {
            let short = time(&shared(compression, 40_000, None, &data[..8]));
            let long = time(&shared(compression, 40_000, None, &data));
            assert!(short.as_millis() < 50 && long.as_millis() > least, "{compression}: {long:?}");
        }
    }

    #[test]
    fn a_wrong_checksum_or_a_broken_code_is_corrupt() {
        let mut packed = Vec::new();
        flate2::read::ZlibEncoder::new(&[7_u8, 7][..], flate2::Compression::best())
            .read_to_end(&mut packed)
            .unwrap();
        // Tiles two pixels wide.
        assert!(decoded(&shared(8, 1, Some(2), &packed), 0).is_ok());
        *packed.last_mut().unwrap() ^= 1;
        assert!(decoded(&shared(8, 1, Some(2), &packed), 0).is_err());
        // Clear, 7, and a code that is not in the table yet; then without it.
        assert!(decoded(&shared(5, 1, Some(2), b"\x80\x01\xff\xff"), 0).is_err());
        assert!(decoded(&shared(5, 1, Some(1), b"\x80\x01\xff\xff"), 0).is_ok());
    }

    #[test]
    fn a_page_that_is_not_there_is_refused() {
        let error = decoded(&file(), 1).unwrap_err();
        assert!(matches!(error, ClassifyError::NoSuchPage { page: 1, pages: 1 }), "{error:?}");
    }
}
