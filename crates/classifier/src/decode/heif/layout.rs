//! What a HEIF file shows: coded pictures or grids of them, their alpha, and the view upon them
//! (ISO/IEC 23008-12 and MIAF, ISO/IEC 23000-22).

use std::borrow::Cow;

use super::colour::Colour;
use super::view::View;
use crate::decode::isobmff::{Code, Contained, Fault, Item, Items, Reader, Sample, first_sample};

/// Identity items that refer to identity items more often than this are refused.
const MAX_DERIVATIONS: usize = 4;

/// The codec of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Hevc,
    Av1,
}

/// The picture that a file shows.
pub(super) struct Layout<'a> {
    pub(super) codec: Codec,
    pub(super) colour: Layer<'a>,
    pub(super) alpha: Option<Layer<'a>>,
    /// Colour was multiplied by alpha before it was coded.
    pub(super) premultiplied: bool,
    /// Crop, rotation and mirroring.
    pub(super) view: View,
    /// How many pictures the file has, of which this is one.
    pub(super) frames: u32,
}

/// Colour or alpha: one coded picture, or a grid of them.
pub(super) struct Layer<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) columns: u32,
    /// Row by row; all of the same size.
    pub(super) tiles: Vec<Tile<'a>>,
    /// From the container, which overrides what the codec's stream says.
    pub(super) colour: Option<Colour>,
}

/// One coded picture.
pub(super) struct Tile<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The content of `hvcC` or `av1C`.
    pub(super) configuration: &'a [u8],
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Layout<'a> {
    /// Read the layout of a file; of a sequence that of its first picture.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, Fault> {
        let sequence = first_sample(file);
        match Items::read(file)? {
            Some(items) => {
                let frames = sequence.ok().flatten().map_or(1, |sample| sample.count);
                Self::of_items(&items, frames.max(1))
            }
            None => Self::of_sample(&sequence?.ok_or(Fault::Corrupt)?),
        }
    }

    fn of_items(items: &Items<'a>, frames: u32) -> Result<Self, Fault> {
        let primary = items.primary()?;
        let mut view = View::default();
        let (codec, colour) = Layer::read(&primary, Some(&mut view))?;
        let mut layout = Self { codec, colour, alpha: None, premultiplied: false, view, frames };
        if let Some(item) = alpha_of(&primary)? {
            let (codec, alpha) = Layer::read(&item, None)?;
            if codec != layout.codec {
                return Err(Fault::Unsupported("alpha of another codec"));
            }
            layout.premultiplied = primary.refers_to(*b"prem")?.iter().any(|one| one.is(&item));
            layout.alpha = Some(alpha);
        }
        Ok(layout)
    }

    fn of_sample(sample: &Sample<'a>) -> Result<Self, Fault> {
        let codec = codec(sample.code)?;
        let (width, height) = sample.size;
        let configuration = sample.entry.boxes().need(codec.configuration())?.rest();
        let mut colour = None;
        for found in sample.entry.boxes() {
            let Contained { code, content } = found?;
            if &code == b"colr" {
                colour = colour.or(Colour::read(content)?);
            }
        }
        let tile = Tile { width, height, configuration, data: Cow::Borrowed(sample.data) };
        let colour = Layer { width, height, columns: 1, tiles: vec![tile], colour };
        let view = View::of(width, height)?;
        let frames = sample.count.max(1);
        Ok(Self { codec, colour, alpha: None, premultiplied: false, view, frames })
    }

    /// Every coded picture.
    pub(super) fn tiles(&self) -> impl Iterator<Item = &Tile<'a>> {
        let alpha = self.alpha.iter().flat_map(|alpha| &alpha.tiles);
        self.colour.tiles.iter().chain(alpha)
    }
}

/// The codec of the picture that a file shows.
pub(super) fn codec_of(file: &[u8]) -> Result<Codec, Fault> {
    match Items::read(file)? {
        Some(items) => {
            let mut item = items.primary()?;
            for _ in 0..=MAX_DERIVATIONS {
                if !matches!(&item.code(), b"grid" | b"iden") {
                    break;
                }
                item = *item.refers_to(*b"dimg")?.first().ok_or(Fault::Corrupt)?;
            }
            codec(item.code())
        }
        None => codec(first_sample(file)?.ok_or(Fault::Corrupt)?.code),
    }
}

fn codec(code: Code) -> Result<Codec, Fault> {
    match &code {
        b"hvc1" | b"hev1" => Ok(Codec::Hevc),
        b"av01" => Ok(Codec::Av1),
        b"jpeg" => Err(Fault::Unsupported("JPEG inside HEIF")),
        b"avc1" => Err(Fault::Unsupported("H.264 inside HEIF")),
        b"vvc1" => Err(Fault::Unsupported("H.266 inside HEIF")),
        b"j2k1" => Err(Fault::Unsupported("JPEG 2000 inside HEIF")),
        b"unci" => Err(Fault::Unsupported("uncompressed pictures inside HEIF")),
        b"iovl" => Err(Fault::Unsupported("overlays of several pictures")),
        b"tili" => Err(Fault::Unsupported("tiled pictures of type `tili`")),
        b"lhv1" => Err(Fault::Unsupported("layered HEVC")),
        _ => Err(Fault::Unsupported("this type of picture inside HEIF")),
    }
}

impl Codec {
    fn configuration(self) -> Code {
        match self {
            Self::Hevc => *b"hvcC",
            Self::Av1 => *b"av1C",
        }
    }
}

impl<'a> Layer<'a> {
    /// The layer that an item shows. Its crop, rotation and mirroring are added to `view`.
    fn read(item: &Item<'_, 'a>, view: Option<&mut View>) -> Result<(Codec, Self), Fault> {
        let mut derivations = vec![*item];
        let mut source = *item;
        while &source.code() == b"iden" {
            source = *source.refers_to(*b"dimg")?.first().ok_or(Fault::Corrupt)?;
            derivations.push(source);
            if derivations.len() > MAX_DERIVATIONS {
                return Err(Fault::Corrupt);
            }
        }
        let (codec, mut layer) = match &source.code() {
            b"grid" => grid(&source)?,
            _ => single(&source)?,
        };
        layer.colour = container_colour(item)?.or(container_colour(&source)?).or(layer.colour);
        if let Some(view) = view {
            *view = View::of(layer.width, layer.height)?;
            // What an identity item says applies after what its source says.
            for item in derivations.iter().rev() {
                view.apply_properties(item)?;
            }
        }
        Ok((codec, layer))
    }
}

fn single<'a>(item: &Item<'_, 'a>) -> Result<(Codec, Layer<'a>), Fault> {
    let codec = codec(item.code())?;
    check_properties(item)?;
    let (width, height) = extents(item)?.ok_or(Fault::Corrupt)?;
    let configuration = item.property(codec.configuration())?.ok_or(Fault::Corrupt)?.rest();
    let tile = Tile { width, height, configuration, data: item.data()? };
    let colour = container_colour(item)?;
    Ok((codec, Layer { width, height, columns: 1, tiles: vec![tile], colour }))
}

fn grid<'a>(item: &Item<'_, 'a>) -> Result<(Codec, Layer<'a>), Fault> {
    check_properties(item)?;
    let data = item.data()?;
    let mut data = Reader::new(&data);
    let (version, flags) = (data.u8()?, data.u8()?);
    let (rows, columns) = (u32::from(data.u8()?) + 1, u32::from(data.u8()?) + 1);
    let mut side = || match flags & 1 {
        0 => data.u16().map(u32::from),
        _ => data.u32(),
    };
    let (width, height) = (side()?, side()?);
    let sources = item.refers_to(*b"dimg")?;
    let count = usize::try_from(rows * columns).map_err(|_| Fault::Corrupt)?;
    let announced = extents(item)?.is_none_or(|size| size == (width, height));
    if version != 0 || sources.len() != count || !announced {
        return Err(Fault::Corrupt);
    }
    let mut tiles = Vec::new();
    let mut colour = None;
    let mut codec = None;
    for source in &sources {
        let (tile_codec, layer) = single(source)?;
        if !View::of(layer.width, layer.height)?.is_kept_by(source)? {
            return Err(Fault::Unsupported("grids of rotated or cropped tiles"));
        }
        if *codec.get_or_insert(tile_codec) != tile_codec {
            return Err(Fault::Unsupported("grids of several codecs"));
        }
        colour = colour.or(layer.colour);
        tiles.extend(layer.tiles);
    }
    let (codec, first) = codec.zip(tiles.first()).ok_or(Fault::Corrupt)?;
    let (tile_width, tile_height) = (first.width, first.height);
    let same = tiles.iter().all(|tile| (tile.width, tile.height) == (tile_width, tile_height));
    // Every column and row of tiles is needed, and together they cover the picture.
    let covers = |tile: u32, tiles: u32, side: u32| {
        let (tile, tiles, side) = (u64::from(tile), u64::from(tiles), u64::from(side));
        tile * (tiles - 1) < side && side <= tile * tiles
    };
    if !same || !covers(tile_width, columns, width) || !covers(tile_height, rows, height) {
        return Err(Fault::Corrupt);
    }
    Ok((codec, Layer { width, height, columns, tiles, colour }))
}

/// Width and height from `ispe`.
fn extents(item: &Item<'_, '_>) -> Result<Option<(u32, u32)>, Fault> {
    let Some(mut extents) = item.property(*b"ispe")? else { return Ok(None) };
    extents.version_and_flags()?;
    Ok(Some((extents.u32()?, extents.u32()?)))
}

fn container_colour(item: &Item<'_, '_>) -> Result<Option<Colour>, Fault> {
    for property in item.properties() {
        let (Contained { code, content }, _) = property?;
        if &code == b"colr"
            && let Some(colour) = Colour::read(content)?
        {
            return Ok(Some(colour));
        }
    }
    Ok(None)
}

/// The alpha of a picture: an auxiliary item that refers to it. Depth maps and gain maps are auxiliary too,
/// and ignored.
fn alpha_of<'i, 'a>(item: &Item<'i, 'a>) -> Result<Option<Item<'i, 'a>>, Fault> {
    for auxiliary in item.referred_from(*b"auxl") {
        let Some(mut kind) = auxiliary.property(*b"auxC")? else { continue };
        kind.version_and_flags()?;
        let kind = kind.text()?;
        if kind == b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
            || kind == b"urn:mpeg:hevc:2015:auxid:1"
        {
            return Ok(Some(auxiliary));
        }
    }
    Ok(None)
}

/// Refuse an item with a property that a reader must understand and this one does not.
fn check_properties(item: &Item<'_, '_>) -> Result<(), Fault> {
    for property in item.properties() {
        let (Contained { code, mut content }, essential) = property?;
        match &code {
            b"hvcC" | b"av1C" | b"ispe" | b"pixi" | b"colr" | b"irot" | b"imir" | b"clap"
            | b"auxC" | b"pasp" | b"a1lx" | b"clli" | b"mdcv" | b"cclv" | b"amve" | b"ndwt" => {}
            b"a1op" if content.u8()? == 0 => {}
            b"lsel" if content.u16()? == 0xFFFF => {}
            b"a1op" | b"lsel" => return Err(Fault::Unsupported("a choice of layers")),
            _ if essential => return Err(Fault::Unsupported("an unknown essential property")),
            _ => {}
        }
    }
    Ok(())
}
