//! HEIC and AVIF: pictures of HEVC or AV1 in the container of HEIF.
//!
//! The container says what is shown ([`layout`]), a codec decodes it tile by tile ([`hevc`], [`av1`]), and each
//! tile is painted as RGB where it belongs ([`frame`]), so that no picture is ever whole as luma and chroma
//! unless it was coded whole. Rows of tiles are decoded at the same time on all processors: a phone's photograph
//! is a grid of some 48 tiles, and one processor takes a second for it.

#![cfg_attr(not(all(feature = "heic", feature = "avif")), allow(dead_code))]

#[cfg(feature = "avif")]
mod av1;
mod colour;
mod frame;
#[cfg(feature = "heic")]
mod hevc;
mod layout;
mod view;

use std::time::Duration;

use image::RgbImage;
use rayon::prelude::*;

use super::cost::Cost;
use super::format::Format;
use super::isobmff::{Fault, brands};
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::rgb::over_white;
use super::{Decoder, corrupt};
use crate::error::ClassifyError;
use frame::{Band, Frame, Shape, Upsampling};
use layout::{Codec, Layer, Layout, Tile};

/// A file whose container and parameter sets were read.
pub(super) struct Heif<'a> {
    layout: Layout<'a>,
    header: Header,
    cost: Cost,
    spread: Spread,
}

/// Over how many processors the rows of tiles are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    All,
    One,
}

/// A picture that takes longer for each byte of its file stays on one processor. Photographs take 300 to 800; what
/// the queue calls dear takes more than this (`Work::is_dear` of the budget), and it leaves processors to others.
const SPREAD_NANOSECONDS_PER_BYTE: u64 = 2_000;

/// The format of a file with one of HEIF's brands, by the codec of the picture that it shows; by its brands
/// where that cannot be read.
pub(super) fn detect(encoded: &[u8]) -> Option<Format> {
    let mut heif = false;
    let mut av1 = false;
    for brand in brands(encoded) {
        match &brand {
            b"avif" | b"avis" => (heif, av1) = (true, true),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"mif2"
            | b"msf1" => heif = true,
            _ => {}
        }
    }
    heif.then(|| match layout::codec_of(encoded) {
        Ok(codec) => codec.format(),
        Err(_) if av1 => Format::Avif,
        Err(_) => Format::Heic,
    })
}

/// Read the container of a file and the parameter sets of its pictures.
pub(super) fn open<'a>(
    format: Format,
    encoded: &'a [u8],
    limits: &Limits,
) -> Result<Heif<'a>, ClassifyError> {
    let (built, feature) = match format {
        Format::Heic => (cfg!(feature = "heic"), "heic"),
        _ => (cfg!(feature = "avif"), "avif"),
    };
    if !built {
        return Err(ClassifyError::FormatNotBuilt { format: format.name(), feature });
    }
    let refused = |fault| refusal(format, fault);
    let layout = Layout::read(encoded).map_err(refused)?;
    if layout.codec.format() != format {
        return Err(corrupt(format));
    }
    let Layer { width, height, .. } = layout.colour;
    limits.check_pixels(u64::from(width) * u64::from(height))?;
    let mut cost = Work::default();
    for tile in layout.tiles() {
        limits.check_pixels(u64::from(tile.width) * u64::from(tile.height))?;
        let shape = layout.codec.shape(tile).map_err(refused)?;
        // A picture that is larger or smaller than its container says is not trusted.
        if (shape.width, shape.height) != (tile.width, tile.height) {
            return Err(corrupt(format));
        }
        cost.add(layout.codec, tile, &shape);
    }
    let spread = cost.spread(encoded.len());
    let cost = cost.of(&layout, spread);
    limits.check(format, &cost)?;
    let header = Header {
        orientation: layout.view.orientation(),
        frames: layout.frames,
        ..Header::new(format, (layout.view.width, layout.view.height))
    };
    Ok(Heif { layout, header, cost, spread })
}

impl Decoder for Heif<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        self.cost
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { layout, header, spread, .. } = *self;
        paint(&layout, spread).map_err(|fault| refusal(header.format, fault))
    }
}

fn paint(layout: &Layout<'_>, spread: Spread) -> Result<RgbImage, Fault> {
    let Layout { codec, colour, .. } = layout;
    let mut canvas = RgbImage::new(colour.width, colour.height);
    colour.each_tile(spread, &mut canvas, 3, |tile, x, band| {
        codec.decode(tile)?.paint(colour.colour, codec.upsampling(), x, band)
    })?;
    if let Some(alpha) = &layout.alpha {
        let coverage = coverage(*codec, alpha, spread)?;
        compose(&mut canvas, alpha, &coverage, layout.premultiplied);
    }
    Ok(layout.view.cut(canvas))
}

/// Alpha as 0 to 255.
fn coverage(codec: Codec, alpha: &Layer<'_>, spread: Spread) -> Result<Vec<u8>, Fault> {
    let pixels = u64::from(alpha.width) * u64::from(alpha.height);
    let mut coverage = vec![0; usize::try_from(pixels).map_err(|_| Fault::Corrupt)?];
    alpha.each_tile(spread, &mut coverage, 1, |tile, x, band| {
        codec.decode(tile)?.paint_alpha(x, band)
    })?;
    Ok(coverage)
}

/// Put colour over white. Alpha of another size is stretched to that of the colour.
fn compose(canvas: &mut RgbImage, alpha: &Layer<'_>, coverage: &[u8], premultiplied: bool) {
    let (width, height) = canvas.dimensions();
    let along =
        |at: u32, from: u32, to: u32| u64::from(at) * u64::from(from) / u64::from(to.max(1));
    for (x, y, pixel) in canvas.enumerate_pixels_mut() {
        let (x, y) = (along(x, alpha.width, width), along(y, alpha.height, height));
        let at = usize::try_from(y * u64::from(alpha.width) + x).ok();
        let covered = at.and_then(|at| coverage.get(at)).copied().unwrap_or(u8::MAX);
        pixel.0 = pixel.0.map(|channel| match premultiplied {
            true => channel.saturating_add(u8::MAX - covered),
            false => over_white(channel, covered),
        });
    }
}

impl<'a> Layer<'a> {
    /// Have `paint` put each tile where it belongs: the tile, its left edge and the rows of `canvas` that its row of
    /// tiles fills.
    fn each_tile(
        &self,
        spread: Spread,
        canvas: &mut [u8],
        channels: usize,
        paint: impl Fn(&Tile<'a>, u32, &mut Band<'_>) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let stride = self.width as usize * channels;
        let (columns, height) = (self.columns as usize, self.tile_height() as usize);
        let row = |(tiles, bytes): (&[Tile<'a>], &mut [u8])| {
            let mut band = Band { bytes, stride };
            for (tile, column) in tiles.iter().zip(0..) {
                paint(tile, tile.width.saturating_mul(column), &mut band)?;
            }
            Ok(())
        };
        let (rows, bytes) = (columns.max(1), (stride * height).max(1));
        if self.at_once(spread) < 2 {
            return self.tiles.chunks(rows).zip(canvas.chunks_mut(bytes)).try_for_each(row);
        }
        let bands = self.tiles.par_chunks(rows).zip(canvas.par_chunks_mut(bytes));
        // The upper fault is the one that is told, whichever was found first.
        bands.map(row).collect::<Vec<_>>().into_iter().collect()
    }

    /// Rows of tiles.
    fn rows(&self) -> usize {
        self.tiles.len().div_ceil(self.columns.max(1) as usize)
    }

    fn tile_height(&self) -> u32 {
        self.tiles.first().map_or(0, |tile| tile.height)
    }

    /// How many tiles are decoded at the same time, at most.
    fn at_once(&self, spread: Spread) -> usize {
        match spread {
            Spread::All => self.rows().min(rayon::current_num_threads()),
            Spread::One => 1,
        }
    }
}

impl Codec {
    fn format(self) -> Format {
        match self {
            Self::Hevc => Format::Heic,
            Self::Av1 => Format::Avif,
        }
    }

    fn upsampling(self) -> Upsampling {
        match self {
            Self::Hevc => Upsampling::Nearest,
            Self::Av1 => Upsampling::Bilinear,
        }
    }

    #[cfg_attr(not(any(feature = "heic", feature = "avif")), allow(unused_variables))]
    fn shape(self, tile: &Tile<'_>) -> Result<Shape, Fault> {
        match self {
            #[cfg(feature = "heic")]
            Self::Hevc => hevc::shape(tile),
            #[cfg(feature = "avif")]
            Self::Av1 => av1::shape(tile),
            #[cfg(not(all(feature = "heic", feature = "avif")))]
            _ => Err(Fault::Unsupported(NOT_BUILT)),
        }
    }

    #[cfg_attr(not(any(feature = "heic", feature = "avif")), allow(unused_variables))]
    fn decode(self, tile: &Tile<'_>) -> Result<Frame, Fault> {
        match self {
            #[cfg(feature = "heic")]
            Self::Hevc => hevc::decode(tile),
            #[cfg(feature = "avif")]
            Self::Av1 => av1::decode(tile),
            #[cfg(not(all(feature = "heic", feature = "avif")))]
            _ => Err(Fault::Unsupported(NOT_BUILT)),
        }
    }

    /// What the decoder takes for a tile: bytes that it holds, and nanoseconds.
    fn effort(self, tile: &Tile<'_>, shape: &Shape) -> (u64, u64) {
        let pixels = u64::from(shape.width) * u64::from(shape.height);
        let samples = pixels.saturating_mul(shape.chroma.samples_of_four_pixels()) / 4;
        let data = tile.data.len() as u64;
        let deep = if shape.luma_bits > 8 { 2 } else { 1 };
        // The decoders' bytes a sample, a pixel and a byte of data; then nanoseconds a sample and a byte.
        let (held, time) = match self {
            // 4 a sample and as much for a copy of a plane while a filter runs, and 1 that says whether it
            // was decoded; 23 a block of 4 × 4; the data with and without length fields and escapes.
            Self::Hevc => ([9 * samples, 2 * pixels, 3 * data], [40 * samples, 70 * data]),
            // Two frames; blocks and filters; one copy of the data.
            Self::Av1 => ([2 * deep * samples, 4 * pixels, data], [48 * samples, 100 * data]),
        };
        (held.iter().sum(), time.iter().sum())
    }
}

#[cfg(not(all(feature = "heic", feature = "avif")))]
const NOT_BUILT: &str = "a codec that this build lacks";

/// What decoding the tiles of a picture takes.
#[derive(Default)]
struct Work {
    /// Of the dearest tile.
    decoder_bytes: u64,
    nanoseconds: u64,
}

impl Work {
    fn add(&mut self, codec: Codec, tile: &Tile<'_>, shape: &Shape) {
        let (bytes, nanoseconds) = codec.effort(tile, shape);
        self.decoder_bytes = self.decoder_bytes.max(bytes);
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
    }

    fn spread(&self, bytes: usize) -> Spread {
        let paid = (bytes as u64).saturating_mul(SPREAD_NANOSECONDS_PER_BYTE);
        if self.nanoseconds <= paid { Spread::All } else { Spread::One }
    }

    fn of(&self, layout: &Layout<'_>, spread: Spread) -> Cost {
        let area = |layer: &Layer<'_>| u64::from(layer.width) * u64::from(layer.height);
        let alpha = layout.alpha.as_ref().map_or(0, area);
        let layers = [Some(&layout.colour), layout.alpha.as_ref()].into_iter().flatten();
        let decoders = layers.map(|layer| layer.at_once(spread)).max().unwrap_or(1) as u64;
        let peak_bytes =
            self.decoder_bytes.saturating_mul(decoders) + area(&layout.colour) * 3 + alpha;
        Cost { peak_bytes, time: Duration::from_nanos(self.nanoseconds) }
    }
}

fn refusal(format: Format, fault: Fault) -> ClassifyError {
    match fault {
        Fault::Corrupt => corrupt(format),
        Fault::Unsupported(variant) => {
            ClassifyError::UnsupportedVariant { format: format.name(), variant }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 × 3 pixels in 3 × 2 tiles of 2 × 2; the data of a tile is its number.
    fn grid() -> Layer<'static> {
        let tile = |number: u8| Tile {
            width: 2,
            height: 2,
            configuration: &[],
            data: vec![number].into(),
        };
        let tiles = (0..6).map(tile).collect();
        Layer { width: 5, height: 3, columns: 3, tiles, colour: None }
    }

    #[test]
    fn each_tile_is_painted_into_its_place_however_many_are_at_the_same_time() {
        for spread in [Spread::All, Spread::One] {
            let mut canvas = vec![9; 15];
            let painted = grid().each_tile(spread, &mut canvas, 1, |tile, x, band| {
                for row in band.bytes.chunks_mut(band.stride) {
                    row.iter_mut().skip(x as usize).take(2).for_each(|to| *to = tile.data[0]);
                }
                Ok(())
            });
            assert_eq!(painted, Ok(()));
            assert_eq!(canvas, [0, 0, 1, 1, 2, 0, 0, 1, 1, 2, 3, 3, 4, 4, 5], "{spread:?}");
        }
    }

    #[test]
    fn the_upper_fault_of_a_grid_is_the_one_that_is_told() {
        for spread in [Spread::All, Spread::One] {
            let painted =
                grid().each_tile(spread, &mut [0; 15], 1, |tile, _, _| match tile.data[0] {
                    1 => Err(Fault::Unsupported("upper")),
                    3 => Err(Fault::Corrupt),
                    _ => Ok(()),
                });
            assert_eq!(painted, Err(Fault::Unsupported("upper")), "{spread:?}");
        }
    }

    #[test]
    fn only_what_is_paid_for_in_bytes_takes_all_processors() {
        let work = Work { decoder_bytes: 7, nanoseconds: 1_000_000 };
        assert_eq!(work.spread(500), Spread::All);
        assert_eq!(work.spread(499), Spread::One);
    }

    #[test]
    fn brands_of_heif_are_detected_and_those_of_videos_are_not() {
        let file = |brand: &str| [b"\0\0\0\x14ftyp", brand.as_bytes(), b"\0\0\0\0isom"].concat();
        for brand in ["heic", "heix", "hevc", "mif1", "msf1"] {
            assert_eq!(detect(&file(brand)), Some(Format::Heic), "{brand}");
        }
        for brand in ["avif", "avis"] {
            assert_eq!(detect(&file(brand)), Some(Format::Avif), "{brand}");
        }
        for brand in ["mp42", "qt  ", "crx ", "jxl "] {
            assert_eq!(detect(&file(brand)), None, "{brand}");
        }
    }
}
