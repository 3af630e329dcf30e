//! WebP (RFC 9649) through crate `image-webp`: of an animation, the first frame.
//!
//! The decoder believes what chunks announce before it has seen the data: it allocates as much
//! metadata as a chunk's length says, and decodes a lossy frame of any size before it compares that
//! with the canvas. So the chunks are checked first, and a frame costs what it says of itself.

use std::borrow::Cow;
use std::io::Cursor;

use image::RgbImage;
use image_webp::WebPDecoder;

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::{Decoder, corrupt, orientation, rgb};
use crate::error::ClassifyError;

/// Bytes of an animation frame's own header, before its chunks.
const FRAME_HEADER: usize = 16;
/// Names that the decoder knows; what begins with another one may be what follows a picture.
const KNOWN: [&[u8; 4]; 9] =
    [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "];

/// Where the flags of the extended header stand.
const FLAGS: usize = 20;
const ALPHA: u8 = 0x10;
const ANIMATION: u8 = 0x02;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

/// A WebP file whose header was read.
pub(super) struct WebP<'a> {
    decoder: WebPDecoder<Cursor<Cow<'a, [u8]>>>,
    header: Header,
    /// Pixels of the picture or, where that is larger, of the largest frame.
    frame_pixels: u64,
    is_lossy: bool,
    encoded_bytes: u64,
    copied_bytes: u64,
}

/// Read the header of a WebP file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<WebP<'a>, ClassifyError> {
    let refused = |_| corrupt(Format::WebP);
    let pixels = largest_frame(encoded).ok_or(corrupt(Format::WebP))?;
    limits.check_pixels(pixels)?;
    let marked = marked(encoded);
    let copied_bytes = if matches!(marked, Cow::Owned(_)) { encoded.len() as u64 } else { 0 };
    let mut decoder = WebPDecoder::new(Cursor::new(marked)).map_err(refused)?;
    decoder.set_memory_limit(usize::try_from(limits.max_decoded_bytes).unwrap_or(usize::MAX));
    // What the extended header does not announce is not there.
    let flags = extended_flags(encoded);
    let announced = |flag| flags.is_some_and(|flags| flags & flag != 0);
    let exif = decoder.exif_metadata().map_err(refused)?.filter(|_| announced(EXIF));
    let xmp = decoder.xmp_metadata().map_err(refused)?.filter(|_| announced(XMP));
    let frames = if decoder.is_animated() {
        // Parts of the canvas that the first frame leaves free are transparent.
        decoder.set_background_color([0; 4]).map_err(refused)?;
        decoder.num_frames().max(1)
    } else {
        1
    };
    let orientation = orientation::from_metadata(exif.as_deref(), xmp.as_deref());
    let header = Header { orientation, frames, ..Header::new(Format::WebP, decoder.dimensions()) };
    let is_lossy = decoder.is_lossy();
    let frame_pixels = pixels.max(header.pixels());
    Ok(WebP {
        decoder,
        header,
        frame_pixels,
        is_lossy,
        encoded_bytes: encoded.len() as u64,
        copied_bytes,
    })
}

impl Decoder for WebP<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        let output = if self.decoder.has_alpha() { 4 } else { 3 };
        // Lossless pictures are decoded to RGBA, lossy ones to planes with a border; an animation
        // keeps its canvas beside the frame.
        let working = if self.decoder.is_animated() { 8 } else { 4 };
        // Coefficients of lossy pictures cost more than symbols of lossless ones, of which there is one
        // for each channel of a pixel at most.
        let (pixel, byte, most) = if self.is_lossy { (18, 55, 3) } else { (5, 33, 1) };
        let data = self.encoded_bytes.min(most * self.frame_pixels);
        let peak_bytes = self.header.pixels() * output
            + self.frame_pixels * working
            + self.copied_bytes
            + (1 << 20);
        Cost::new(peak_bytes, self.frame_pixels, pixel).and(data, byte)
    }

    fn decode(mut self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let Header { width, height, .. } = self.header;
        let bytes = self.decoder.output_buffer_size().ok_or(corrupt(Format::WebP))?;
        let mut pixels = vec![0; bytes];
        self.decoder.read_image(&mut pixels).map_err(|_| corrupt(Format::WebP))?;
        let pixels = if self.decoder.has_alpha() { rgb::flatten(pixels) } else { pixels };
        RgbImage::from_raw(width, height, pixels).ok_or(corrupt(Format::WebP))
    }
}

/// The flags of the extended header, where there is one.
fn extended_flags(encoded: &[u8]) -> Option<u8> {
    (encoded.get(12..16)? == b"VP8X").then(|| encoded.get(FLAGS).copied())?
}

/// The file, with the flag for alpha where a lossless picture says of itself that it has some: libwebp
/// believes the picture, and the decoder the flag.
fn marked(encoded: &[u8]) -> Cow<'_, [u8]> {
    let is_unmarked = extended_flags(encoded).is_some_and(|flags| flags & (ALPHA | ANIMATION) == 0);
    if !is_unmarked || !is_lossless_with_alpha(encoded.get(12..).unwrap_or_default()) {
        return Cow::Borrowed(encoded);
    }
    let mut copy = encoded.to_vec();
    copy[FLAGS] |= ALPHA;
    Cow::Owned(copy)
}

/// Whether the first picture among the chunks is lossless, and the bit behind its sides is set.
fn is_lossless_with_alpha(mut chunks: &[u8]) -> bool {
    while let Some((name, content, behind)) = next_chunk(chunks) {
        match name {
            b"VP8L" => return content.get(4).is_some_and(|byte| byte & 0x10 != 0),
            b"VP8 " => return false,
            _ => chunks = behind,
        }
    }
    false
}

/// A chunk's name, its content and what follows; `None` where it is not there as a whole.
fn next_chunk(chunks: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = chunks.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    // Chunks begin at even places; the last one may lack its padding.
    let behind = rest.get(length + length % 2..).unwrap_or_default();
    Some((name, rest.get(..length)?, behind))
}

/// The pixels of the largest frame; `None` when a chunk is longer than the file, or the file than it says.
fn largest_frame(encoded: &[u8]) -> Option<u64> {
    let length = u32::from_le_bytes(*encoded.get(4..)?.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    largest(encoded.get(12..end)?, false)
}

/// Frames cannot nest, so recursion depth is at most one.
fn largest(mut chunks: &[u8], in_a_frame: bool) -> Option<u64> {
    let mut pixels = 0;
    while let Some((name, _length)) = chunks.split_first_chunk::<4>() {
        let Some((name, content, behind)) = next_chunk(chunks) else {
            let is_cut = chunks.len() >= 8 && KNOWN.contains(&name);
            return (!is_cut).then_some(pixels);
        };
        pixels = pixels.max(match name {
            b"VP8 " => lossy(content),
            b"VP8L" => lossless(content),
            b"ANMF" if !in_a_frame => largest(content.get(FRAME_HEADER..)?, true)?,
            _ => 0,
        });
        chunks = behind;
    }
    Some(pixels)
}

/// Three bytes of frame tag, three of start code, then width and height in 14 bits each.
fn lossy(content: &[u8]) -> u64 {
    let side = |at: usize| {
        let bytes = content.get(at..at + 2).unwrap_or(&[0, 0]);
        u64::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0x3fff)
    };
    side(6) * side(8)
}

/// One byte of signature, then width − 1 and height − 1 in 14 bits each.
fn lossless(content: &[u8]) -> u64 {
    let bits = content.get(1..5).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 4]);
    let bits = u32::from_le_bytes(bits);
    (u64::from(bits & 0x3fff) + 1) * (u64::from(bits >> 14 & 0x3fff) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [name, length.as_slice(), content, &vec![0; content.len() % 2]].concat()
    }

    fn file(chunks: &[u8]) -> Vec<u8> {
        let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
        [b"RIFF", &length[..], b"WEBP", chunks].concat()
    }

    #[test]
    fn the_largest_frame_is_found_in_every_kind_of_chunk() {
        let lossy = chunk(b"VP8 ", b"tagsta\x10\0\x02\x40");
        assert_eq!(largest_frame(&file(&lossy)), Some(32));
        let lossless = chunk(b"VP8L", &[0x2f, 2, 0x40, 0, 0, 0]);
        assert_eq!(largest_frame(&file(&lossless)), Some(6));
        let frame = chunk(b"ANMF", &[vec![0; 16], lossy].concat());
        assert_eq!(
            largest_frame(&file(&[chunk(b"EXIF", b"x"), frame, lossless].concat())),
            Some(32)
        );
    }

    #[test]
    fn a_frame_that_is_larger_than_the_canvas_costs_what_it_is() {
        let animation = |frame_side: u16| {
            let side = frame_side.to_le_bytes();
            let frame = chunk(b"VP8 ", &[b"\x10\0\0\x9d\x01\x2a", &side[..], &side[..]].concat());
            let canvas = [2, 0, 0, 0, 39, 0, 0, 29, 0, 0];
            let chunks = [
                chunk(b"VP8X", &canvas),
                chunk(b"ANIM", &[0; 6]),
                chunk(b"ANMF", &[vec![0; FRAME_HEADER], frame].concat()),
            ];
            file(&chunks.concat())
        };
        let cost = |file: &[u8]| open(file, &Limits::default()).unwrap().cost(Scale::Full);
        let (small, large) = (cost(&animation(16)), cost(&animation(3000)));
        assert!(small.peak_bytes < 2 << 20, "{small:?}");
        assert!(large.peak_bytes > 9_000_000 * 4, "{large:?}");
        assert!(large.time > small.time);
    }

    #[test]
    fn bytes_behind_the_picture_say_nothing() {
        let lossy = chunk(b"VP8 ", b"tagsta\x10\0\x02\x40");
        for tail in [&b"\0"[..], b"tail", b"a longer tail of some other program"] {
            assert_eq!(largest_frame(&file(&[&lossy, tail].concat())), Some(32), "{tail:?}");
        }
    }

    #[test]
    fn frames_in_frames_cost_no_stack() {
        let levels: u32 = 200_000;
        let mut bomb = Vec::new();
        for level in 1..=levels {
            bomb.extend_from_slice(b"ANMF");
            bomb.extend_from_slice(&(24 * (levels - level) + 16).to_le_bytes());
            bomb.extend_from_slice(&[0; FRAME_HEADER]);
        }
        assert_eq!(largest_frame(&file(&bomb)), Some(0));
    }

    #[test]
    fn a_chunk_longer_than_the_file_is_reported() {
        let whole = file(&chunk(b"EXIF", b"1234"));
        assert_eq!(largest_frame(&whole), Some(0));
        assert_eq!(largest_frame(&whole[..whole.len() - 1]), None);
        assert_eq!(largest_frame(&file(b"EXIF\xff\xff\xff\xff")), None);
        assert_eq!(largest_frame(&file(b"ANMF\x02\0\0\0xx")), None);
        assert_eq!(largest_frame(b"RIFF"), None);
    }
}
