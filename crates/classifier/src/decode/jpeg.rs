//! What a JPEG file says of itself, where its decoder does not ask: whether it is all there, since
//! what is missing becomes grey, and what memory its frame takes. Format: ITU-T T.81, annex B.

use std::iter::from_fn;

use image::RgbImage;

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::stock::{self, Stock};
use super::{Decoder, corrupt};
use crate::error::ClassifyError;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// A JPEG file whose header was read.
pub(super) struct Jpeg<'a> {
    encoded: &'a [u8],
    stock: Stock<'a>,
}

/// Read the header of a JPEG file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<Jpeg<'a>, ClassifyError> {
    Ok(Jpeg { encoded, stock: stock::open(Format::Jpeg, encoded, limits)? })
}

impl Decoder for Jpeg<'_> {
    fn header(&self) -> Header {
        self.stock.header()
    }

    fn cost(&self, scale: Scale) -> Cost {
        let cost = self.stock.cost(scale);
        let kept = Frame::first(self.encoded).map_or(0, Frame::kept_bytes);
        Cost { peak_bytes: cost.peak_bytes.saturating_add(kept), ..cost }
    }

    fn decode(self: Box<Self>, scale: Scale) -> Result<RgbImage, ClassifyError> {
        if !is_complete(self.encoded) {
            return Err(corrupt(Format::Jpeg));
        }
        Box::new(self.stock).decode(scale)
    }
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    width: u16,
    height: u16,
    components: u8,
    /// Coefficients that its blocks have, and for how many pixels.
    coefficients: (u64, u64),
    progressive: bool,
}

impl Frame {
    /// The frame that is decoded: that before the first scan.
    pub(super) fn first(encoded: &[u8]) -> Option<Self> {
        segments(encoded)
            .take_while(|(marker, _)| !matches!(*marker, SCAN | END))
            .find_map(|(marker, rest)| Self::read(marker, rest))
    }

    /// Whatever could be taken for a frame's header, wherever it stands.
    pub(super) fn all(encoded: &[u8]) -> impl Iterator<Item = Self> {
        let markers = encoded.windows(2).enumerate().filter(|(_, pair)| pair[0] == 0xff);
        markers.filter_map(|(at, pair)| Self::read(pair[1], encoded.get(at + 2..)?))
    }

    /// `rest` begins with the length of the segment.
    fn read(marker: u8, rest: &[u8]) -> Option<Self> {
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        let (&[l1, l0, _precision, h1, h0, w1, w0, count], rest) = rest.split_first_chunk()?;
        let number = |high, low| u16::from_be_bytes([high, low]);
        let fits = number(l1, l0) == 8 + 3 * u16::from(count);
        let components = rest.get(..3 * usize::from(count)).filter(|_| is_frame && fits)?;
        // Each has an id, its sampling factors, across and down, and a quantization table.
        let factors = || components.chunks_exact(3).map(|of| (of[1] >> 4, of[1] & 0xf));
        let across = factors().map(|(across, _)| across).max()?;
        let down = factors().map(|(_, down)| down).max()?;
        let all = factors().map(|(across, down)| u64::from(across) * u64::from(down)).sum();
        Some(Self {
            width: number(w1, w0),
            height: number(h1, h0),
            components: count,
            coefficients: (all, (u64::from(across) * u64::from(down)).max(1)),
            progressive: marker == 0xc2,
        })
    }

    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Decoded as it is, without another colour space.
    pub(super) fn decoded_bytes(self) -> u64 {
        self.pixels() * u64::from(self.components)
    }

    /// What its decoder keeps until the last of several scans: each coefficient, in two bytes.
    pub(super) fn kept_bytes(self) -> u64 {
        let (coefficients, pixels) = self.coefficients;
        if self.progressive { 2 * self.pixels() * coefficients / pixels } else { 0 }
    }
}

/// Whether the end-of-image marker comes after the last scan (ITU-T T.81, annex B).
///
/// A label for half a picture would be a wrong answer, so a truncated one is refused, as Pillow does.
pub(super) fn is_complete(encoded: &[u8]) -> bool {
    // Nearly always. Should a truncated file end with these bytes, it was cut inside a segment before
    // the first scan (a thumbnail, for instance), and then the decoder itself refuses it.
    encoded.ends_with(&[0xff, END]) || segments(encoded).any(|(marker, _)| marker == END)
}

/// The markers, each with all that comes behind it, until a segment that reaches beyond the file.
fn segments(encoded: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut next = Some(encoded);
    from_fn(move || {
        let mut rest = next.take()?;
        let marker = next_marker(&mut rest)?;
        // Beginning and end alone have no length.
        next = if matches!(marker, START | END) { Some(rest) } else { behind(rest) };
        Some((marker, rest))
    })
}

/// What comes after a segment that begins with its length.
fn behind(segment: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*segment.first_chunk()?);
    segment.get(usize::from(length)..)
}

/// Skips entropy-coded data, with its stuffed zeros and restart markers.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    loop {
        let at = rest.iter().position(|&byte| byte == 0xff)?;
        let marker = *rest.get(at + 1)?;
        // A fill byte may be the first byte of the marker that follows.
        *rest = &rest[at + if marker == 0xff { 1 } else { 2 }..];
        if !matches!(marker, 0x00 | 0x01 | 0xd0..=0xd7 | 0xff) {
            return Some(marker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\xff\xd8\xff\xe1\0\x06\xff\xd9xx\xff\xda\0\x02data\xff\0\xff\xd0data";

    #[test]
    fn the_end_is_found_before_trailing_bytes() {
        for tail in
            [&b"\xff\xd9"[..], b"\xff\xff\xd9", b"\xff\xd9\0\0", b"\xff\xc4\0\x03x\xff\xd9 "]
        {
            assert!(is_complete(&[HEAD, tail].concat()), "{tail:?}");
        }
    }

    const FRAME: &[u8] = b"\xff\xc2\0\x11\x08\x01\x00\x02\x00\x03\x01\x22\0\x02\x11\0\x03\x11\0";

    #[test]
    fn a_progressive_frame_keeps_its_coefficients() {
        let frame = Frame::first(&[b"\xff\xd8\xff\xe1\0\x04xx", FRAME].concat()).unwrap();
        assert_eq!(frame.pixels(), 0x100 * 0x200);
        // Luminance, and a quarter of it for each of two colours.
        assert_eq!(frame.kept_bytes(), 2 * 0x100 * 0x200 * 3 / 2);
        let mut baseline = FRAME.to_vec();
        baseline[1] = 0xc0;
        let frame = Frame::first(&baseline).unwrap();
        assert_eq!((frame.pixels(), frame.kept_bytes()), (0x100 * 0x200, 0));
        assert_eq!(Frame::first(&FRAME[..FRAME.len() - 1]), None);
        assert_eq!(Frame::first(&[HEAD, FRAME].concat()), None);
        assert_eq!(Frame::all(&[HEAD, FRAME].concat()).count(), 1);
    }

    #[test]
    fn an_end_inside_a_segment_or_a_scan_is_none() {
        assert!(!is_complete(HEAD));
        for length in 4..HEAD.len() {
            let cut_after_thumbnail = length == 8;
            assert_eq!(is_complete(&HEAD[..length]), cut_after_thumbnail, "{length} bytes");
        }
        assert!(!is_complete(b""));
        assert!(!is_complete(b"\xff"));
        assert!(!is_complete(b"\xff\xd8\xff\xe1\xff"));
    }
}
