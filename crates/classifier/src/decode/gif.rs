//! GIF (GIF89a): the first frame on its screen, as Pillow shows it.

use std::io::Read;

use image::RgbImage;

use super::cost::Cost;
use super::format::Format;
use super::lzw::Lzw;
use super::picture::{Header, Scale};
use super::{Decoder, corrupt};
use crate::error::ClassifyError;

const WHITE: [u8; 3] = [255; 3];
const SIGNATURE_BYTES: usize = 6;
/// Label of the extension that says which colour is transparent.
const GRAPHIC_CONTROL: u8 = 0xf9;
/// The first row and the distance of rows, pass by pass.
const INTERLACED: [(usize, usize); 4] = [(0, 8), (4, 8), (2, 4), (1, 2)];

/// A GIF file whose header and first frame's header were read.
pub(super) struct Gif<'a> {
    frame: Frame<'a>,
    palette: &'a [u8],
    transparent: Option<u8>,
    header: Header,
}

/// An image descriptor, and what belongs to it.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    interlaced: bool,
    palette: Option<&'a [u8]>,
    literal_bits: u8,
    /// The chain of blocks with its codes; what follows them may stand behind it.
    data: &'a [u8],
    /// Bytes of this chain.
    data_bytes: usize,
}

/// Read the header of a GIF file.
pub(super) fn open(encoded: &[u8]) -> Result<Gif<'_>, ClassifyError> {
    let broken = || corrupt(Format::Gif);
    let screen = encoded.get(SIGNATURE_BYTES..).ok_or(broken())?;
    let (global, rest) = colours_of(screen, 4, 7).ok_or(broken())?;
    let mut transparent = None;
    let mut blocks = Blocks { rest };
    let frame = loop {
        match blocks.next().ok_or(broken())? {
            Block::Control([flags, _, _, index, ..]) if flags & 1 != 0 => {
                transparent = Some(*index);
            }
            Block::Control([_, _, _, ..]) => {}
            Block::Control(_) => return Err(broken()),
            Block::Frame(frame) => break frame.ok_or(broken())?,
        }
    };
    if frame.width == 0 || frame.height == 0 || !(1..=11).contains(&frame.literal_bits) {
        return Err(broken());
    }
    let palette = frame.palette.or(global).ok_or(broken())?;
    // The screen grows with a frame that reaches beyond it, as in browsers.
    let side = |screen: usize, frame: usize| u32::try_from(screen.max(frame)).unwrap_or(u32::MAX);
    let size = (
        side(word(screen, 0), frame.left + frame.width),
        side(word(screen, 2), frame.top + frame.height),
    );
    let header = Header { frames: count_frames(rest), ..Header::new(Format::Gif, size) };
    Ok(Gif { frame, palette, transparent, header })
}

impl Decoder for Gif<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        let indices = (self.frame.width * self.frame.height) as u64;
        let pixels = self.header.pixels();
        // A byte has up to four codes, of which some may give no pixel.
        let peak_bytes = 3 * pixels + self.frame.width as u64 + (64 << 10);
        Cost::new(peak_bytes, pixels, 3).and(indices, 4).and(self.frame.data_bytes as u64, 14)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { frame, palette, transparent, header } = *self;
        let colours = colours(palette, transparent);
        // What the frame leaves free is transparent, or else the first colour.
        let free = if transparent.is_some() { WHITE } else { colours[0] };
        let mut pixels = RgbImage::from_pixel(header.width, header.height, image::Rgb(free));
        let stride = header.width as usize * 3;
        let mut indices = vec![0; frame.width];
        let mut codes = Lzw::gif(Chain::new(frame.data), frame.literal_bits);
        let passes = if frame.interlaced { &INTERLACED[..] } else { &[(0, 1)] };
        for row in passes.iter().flat_map(|(first, by)| (*first..frame.height).step_by(*by)) {
            codes.read_exact(&mut indices).map_err(|_| corrupt(Format::Gif))?;
            let first = (frame.top + row) * stride + frame.left * 3;
            let to = pixels.get_mut(first..).unwrap_or_default();
            for (pixel, index) in to.chunks_exact_mut(3).zip(&indices) {
                pixel.copy_from_slice(&colours[usize::from(*index)]);
            }
        }
        Ok(pixels)
    }
}

/// A colour for each index: the palette's, else black; the transparent one is white.
fn colours(palette: &[u8], transparent: Option<u8>) -> [[u8; 3]; 256] {
    let mut colours = [[0; 3]; 256];
    for (colour, stored) in colours.iter_mut().zip(palette.as_chunks().0) {
        *colour = *stored;
    }
    if let Some(index) = transparent {
        colours[usize::from(index)] = WHITE;
    }
    colours
}

/// The image descriptors behind the screen's colours, up to where the file ends or breaks off.
fn count_frames(rest: &[u8]) -> u32 {
    let frames = Blocks { rest }.filter(|block| matches!(block, Block::Frame(_))).count();
    u32::try_from(frames).unwrap_or(u32::MAX)
}

enum Block<'a> {
    /// The first data of a graphic control extension.
    Control(&'a [u8]),
    /// `None` where the file ends inside the descriptor.
    Frame(Option<Frame<'a>>),
}

/// Graphic control extensions and frames; other extensions are passed over, and so is what begins no
/// block, byte by byte as Pillow does.
struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            match self.rest {
                [] | [b';', ..] => return None,
                [b'!', label, blocks @ ..] => {
                    self.rest = &blocks[chain_bytes(blocks)..];
                    if *label == GRAPHIC_CONTROL {
                        let length = blocks.first().copied().unwrap_or(0).into();
                        return Some(Block::Control(blocks.get(1..=length).unwrap_or_default()));
                    }
                }
                [b',', descriptor @ ..] => {
                    let frame = Frame::read(descriptor);
                    let behind = frame.map(|frame| &frame.data[frame.data_bytes..]);
                    self.rest = behind.unwrap_or_default();
                    return Some(Block::Frame(frame));
                }
                [_, rest @ ..] => self.rest = rest,
            }
        }
    }
}

impl<'a> Frame<'a> {
    fn read(descriptor: &'a [u8]) -> Option<Self> {
        let (palette, rest) = colours_of(descriptor, 8, 9)?;
        let (literal_bits, data) = rest.split_first()?;
        Some(Self {
            left: word(descriptor, 0),
            top: word(descriptor, 2),
            width: word(descriptor, 4),
            height: word(descriptor, 6),
            interlaced: descriptor[8] & 0x40 != 0,
            palette,
            literal_bits: *literal_bits,
            data,
            data_bytes: chain_bytes(data),
        })
    }
}

/// The number of two bytes at `at`; the caller knows that they are there.
fn word(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

/// The palette behind a descriptor of `length` bytes, if the byte at `flags` says that there is one, and
/// what follows.
fn colours_of(descriptor: &[u8], flags: usize, length: usize) -> Option<(Option<&[u8]>, &[u8])> {
    let flags = *descriptor.get(flags)?;
    let rest = descriptor.get(length..)?;
    if flags & 0x80 == 0 {
        return Some((None, rest));
    }
    let (palette, rest) = rest.split_at_checked(3 << ((flags & 7) + 1))?;
    Some((Some(palette), rest))
}

/// Bytes of a chain of data blocks, as far as they are there: each begins with its length, the last one
/// has none.
fn chain_bytes(blocks: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = blocks.get(at).copied() {
        at += 1 + usize::from(length);
        if length == 0 {
            break;
        }
    }
    at.min(blocks.len())
}

/// The data of such a chain.
struct Chain<'a> {
    block: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Chain<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { block: &[], rest }
    }
}

impl Iterator for Chain<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.block.is_empty() {
            let (length, rest) = self.rest.split_first()?;
            // Pillow does not begin a block that is cut off.
            (self.block, self.rest) = rest.split_at_checked(usize::from(*length))?;
        }
        let (byte, block) = self.block.split_first()?;
        self.block = block;
        Some(*byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GIF89a\x02\0\x01\0\x80\0\0\x09\x09\x09\xff\0\0";
    const FRAME: &[u8] = b",\0\0\0\0\x02\0\x01\0\0\x02\x02\x0c\x0a\0";
    const CONTROL: &[u8] = b"!\xf9\x04\x01\0\0\x01\0";

    fn pixels(parts: &[&[u8]]) -> Result<Vec<u8>, ClassifyError> {
        let file = parts.concat();
        let gif = open(&file)?;
        Box::new(gif).decode(Scale::Full).map(RgbImage::into_raw)
    }

    #[test]
    fn frames_are_counted_to_where_the_file_breaks_off() {
        let frames = |parts: &[&[u8]]| open(&parts.concat()).map(|gif| gif.header.frames);
        assert_eq!(frames(&[HEAD, FRAME, CONTROL, FRAME, b";", FRAME]).unwrap(), 2);
        assert_eq!(frames(&[HEAD, FRAME, CONTROL, FRAME]).unwrap(), 2);
        assert_eq!(frames(&[HEAD, FRAME, &FRAME[..9]]).unwrap(), 2);
        assert!(frames(&[HEAD, &FRAME[..9]]).is_err() && frames(&[&HEAD[..8]]).is_err());
    }

    #[test]
    fn junk_between_blocks_hides_no_transparency() {
        let expected = pixels(&[HEAD, CONTROL, FRAME]).unwrap();
        assert_eq!(expected[..3], WHITE);
        for junk in [&b"\0"[..], b"\x70\x04\xf1\x5d", b"\x01\xff"] {
            assert_eq!(pixels(&[HEAD, junk, CONTROL, junk, FRAME]).unwrap(), expected, "{junk:?}");
        }
    }

    #[test]
    fn a_file_that_ends_early_is_refused_wherever_it_ends() {
        let whole = [HEAD, CONTROL, FRAME].concat();
        // The last byte ends a chain of blocks whose pixels are all there.
        for length in 0..whole.len() - 1 {
            assert!(pixels(&[&whole[..length]]).is_err(), "{length}");
        }
    }
}
