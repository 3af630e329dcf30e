//! GIF (GIF89a) through crate `gif`: the first frame on its screen, as Pillow shows it.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use image::RgbImage;

use super::cost::Cost;
use super::format::Format;
use super::picture::{Header, Scale};
use super::{Decoder, corrupt};
use crate::error::ClassifyError;

const WHITE: [u8; 3] = [255; 3];

/// A GIF file whose header and first frame's header were read.
pub(super) struct Gif<'a> {
    decoder: gif::Decoder<Cursor<&'a [u8]>>,
    frame: Frame,
    header: Header,
    encoded_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    transparent: Option<u8>,
}

/// Read the header of a GIF file.
pub(super) fn open(encoded: &[u8]) -> Result<Gif<'_>, ClassifyError> {
    let refused = |_| corrupt(Format::Gif);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    // It allocates nothing for a frame: the limits are checked before a buffer is made here.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(Cursor::new(encoded)).map_err(refused)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    let first = decoder.next_frame_info().map_err(refused)?.ok_or(corrupt(Format::Gif))?;
    let frame = Frame {
        left: first.left.into(),
        top: first.top.into(),
        width: first.width.into(),
        height: first.height.into(),
        transparent: first.transparent,
    };
    if frame.width == 0 || frame.height == 0 {
        return Err(corrupt(Format::Gif));
    }
    // The screen grows with a frame that reaches beyond it, as in browsers.
    let width = screen.0.max(u32::from(first.left) + u32::from(first.width));
    let height = screen.1.max(u32::from(first.top) + u32::from(first.height));
    let frames = count_frames(encoded).max(1);
    let header = Header { frames, ..Header::new(Format::Gif, (width, height)) };
    Ok(Gif { decoder, frame, header, encoded_bytes: encoded.len() as u64 })
}

impl Decoder for Gif<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        let indices = (self.frame.width * self.frame.height) as u64;
        let pixels = self.header.pixels();
        // A code of LZW has up to 12 bits, and at most one is needed for a pixel.
        let codes = self.encoded_bytes.min(indices * 3 / 2);
        Cost::new(3 * pixels + indices + (64 << 10), pixels, 3).and(indices, 4).and(codes, 9)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Self { mut decoder, frame, header, .. } = *self;
        let mut indices = vec![0; frame.width * frame.height];
        decoder.read_into_buffer(&mut indices).map_err(|_| corrupt(Format::Gif))?;
        let colours = colours(&decoder, frame.transparent);
        // What the frame leaves free is transparent, or else the first colour.
        let free = if frame.transparent.is_some() { WHITE } else { colours[0] };
        let mut pixels = RgbImage::from_pixel(header.width, header.height, image::Rgb(free));
        let stride = header.width as usize * 3;
        let rows = pixels.chunks_exact_mut(stride).skip(frame.top);
        for (to, from) in rows.zip(indices.chunks_exact(frame.width)) {
            for (pixel, index) in to[frame.left * 3..].chunks_exact_mut(3).zip(from) {
                pixel.copy_from_slice(&colours[usize::from(*index)]);
            }
        }
        Ok(pixels)
    }
}

/// A colour for each index: the frame's palette, else the file's, else greys; alpha over white.
fn colours(decoder: &gif::Decoder<Cursor<&[u8]>>, transparent: Option<u8>) -> [[u8; 3]; 256] {
    let palette = decoder.palette().ok();
    let mut colours = [[0; 3]; 256];
    for (index, colour) in (0..=u8::MAX).zip(&mut colours) {
        *colour = match palette {
            Some(palette) => {
                palette.chunks_exact(3).nth(index.into()).map_or([0; 3], |c| [c[0], c[1], c[2]])
            }
            None => [index; 3],
        };
        if transparent == Some(index) {
            *colour = WHITE;
        }
    }
    colours
}

/// The image descriptors of a file, up to where it ends or breaks off.
fn count_frames(encoded: &[u8]) -> u32 {
    let mut frames = 0;
    let mut rest = encoded.get(6..).unwrap_or_default();
    let Some(after) = behind_colours(rest, 4, 7) else { return 0 };
    rest = after;
    loop {
        let after = match rest {
            [b'!', _label, blocks @ ..] => behind_blocks(blocks),
            [b',', descriptor @ ..] => {
                frames += 1;
                // Behind the palette stands the code size, then the data.
                behind_colours(descriptor, 8, 9).and_then(|data| behind_blocks(data.get(1..)?))
            }
            _ => None,
        };
        let Some(after) = after else { return frames };
        rest = after;
    }
}

/// What follows a descriptor of `length` bytes and its palette, which the byte at `flags` states.
fn behind_colours(descriptor: &[u8], flags: usize, length: usize) -> Option<&[u8]> {
    let flags = *descriptor.get(flags)?;
    let palette = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    descriptor.get(length + palette..)
}

/// What follows a chain of data blocks: each begins with its length, the last one has none.
fn behind_blocks(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first()?;
        rest = after.get(usize::from(*length)..)?;
        if *length == 0 {
            return Some(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GIF89a\x02\0\x01\0\x80\0\0\x09\x09\x09\xff\0\0";
    const FRAME: &[u8] = b",\0\0\0\0\x02\0\x01\0\0\x02\x02\x0c\x0a\0";

    #[test]
    fn frames_are_counted_to_where_the_file_breaks_off() {
        assert_eq!(count_frames(&[HEAD, FRAME, b"!\xf9\x04\0\0\0\0\0", FRAME, b";"].concat()), 2);
        assert_eq!(count_frames(&[HEAD, FRAME, &FRAME[..9]].concat()), 2);
        assert_eq!(count_frames(&HEAD[..8]), 0);
    }
}
