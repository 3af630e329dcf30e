//! The header of a bitmap: Windows' `BITMAPINFOHEADER` with its successors, and those of OS/2.

use super::{broken, unsupported};
use crate::error::ClassifyError;

/// Bytes before the bitmap's own header.
const FILE_HEADER: usize = 14;

/// What a bitmap's header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BitmapHeader {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) top_down: bool,
    /// Bits of a pixel.
    pub(super) bits: usize,
    pub(super) layout: Layout,
    /// Where pixels without a palette have their channels.
    pub(super) masks: Option<Masks>,
    pub(super) palette: Vec<[u8; 3]>,
    /// Offset of the pixels.
    pub(super) start: usize,
}

/// How pixels follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Rows, each filled up to four bytes.
    Rows,
    /// Runs of equal pixels; `nibbles`: of 4 bits.
    Runs { nibbles: bool },
}

/// The bits of red, green, blue and alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Masks([u32; 4]);

impl Masks {
    const RGB_555: Self = Self([0x7c00, 0x3e0, 0x1f, 0]);
    const BGR: Self = Self([0xff_0000, 0xff00, 0xff, 0]);

    /// Without alpha.
    pub(super) fn opaque(self) -> Self {
        let Self([red, green, blue, _]) = self;
        Self([red, green, blue, 0])
    }

    /// Whether the alpha of every pixel of a row is zero.
    pub(super) fn is_clear(self, row: &[u8], bits: usize) -> bool {
        row.chunks_exact(bits / 8).all(|pixel| number(pixel) & self.0[3] == 0)
    }

    /// RGB, rounded down as Pillow does, and alpha.
    pub(super) fn pixel(self, bytes: &[u8]) -> ([u8; 3], u8) {
        let pixel = number(bytes);
        let channel = |mask: u32| {
            let shift = mask.trailing_zeros().min(31);
            let (value, most) = (u64::from((pixel & mask) >> shift), u64::from(mask >> shift));
            u8::try_from(value * 255 / most.max(1)).unwrap_or(u8::MAX)
        };
        let [red, green, blue, alpha] = self.0;
        let opacity = if alpha == 0 { u8::MAX } else { channel(alpha) };
        ([red, green, blue].map(channel), opacity)
    }
}

impl BitmapHeader {
    pub(super) fn read(file: &[u8]) -> Result<Self, ClassifyError> {
        let field = |at: usize, size: usize| file.get(at..at + size).map(number).ok_or(broken());
        let own = FILE_HEADER;
        let size = field(own, 4)? as usize;
        let is_core = size == 12;
        if !matches!(size, 12 | 40 | 52 | 56 | 64 | 108 | 124) {
            return Err(unsupported("a header of this size"));
        }
        let (width, height, bits, compression, colours) = if is_core {
            (field(own + 4, 2)?, field(own + 6, 2)?, field(own + 10, 2)?, 0, 0)
        } else {
            let height = field(own + 8, 4)?;
            (
                field(own + 4, 4)?,
                height,
                field(own + 14, 2)?,
                field(own + 16, 4)?,
                field(own + 32, 4)?,
            )
        };
        let top_down = !is_core && height >> 24 == 0xff;
        let height = if top_down { height.wrapping_neg() } else { height };
        if width == 0 || height == 0 || width > i32::MAX as u32 || height > i32::MAX as u32 {
            return Err(broken());
        }
        if !matches!(bits, 1 | 4 | 8 | 16 | 24 | 32) {
            return Err(unsupported("this number of bits per pixel"));
        }
        let layout = match (compression, bits) {
            (0, _) | (3, 16 | 24 | 32) => Layout::Rows,
            (1 | 2, 4 | 8) => Layout::Runs { nibbles: compression == 2 },
            (4 | 5, _) => return Err(unsupported("JPEG or PNG inside")),
            _ => return Err(unsupported("this compression")),
        };
        // A header of 40 bytes has its masks behind it.
        let masks_behind = compression == 3 && size == 40;
        let masks = match (compression, bits) {
            (3, _) => {
                let mask = |index: usize| field(own + 40 + index * 4, 4);
                let alpha = if size < 56 { 0 } else { mask(3)? };
                match [mask(0)?, mask(1)?, mask(2)?, if bits == 16 { 0 } else { alpha }] {
                    [0, 0, 0, 0] => Some(Masks([0xff_0000, 0xff00, 0xff, 0xff00_0000])),
                    masks => Some(Masks(masks)),
                }
            }
            (_, 16) => Some(Masks::RGB_555),
            (_, 24 | 32) => Some(Masks::BGR),
            _ => None,
        };
        let entry = if is_core { 3 } else { 4 };
        let colours = if colours == 0 { 1_u64 << bits } else { u64::from(colours) };
        let colours = usize::try_from(colours).map_err(|_| broken())?;
        let palette_at = own + size + if masks_behind { 12 } else { 0 };
        let mut palette = Vec::new();
        let mut start = field(10, 4)? as usize;
        if masks.is_none() {
            if colours > 256 {
                return Err(broken());
            }
            let bytes = file.get(palette_at..).unwrap_or_default();
            let entries = bytes.chunks_exact(entry).take(colours);
            palette.extend(entries.map(|colour| [colour[2], colour[1], colour[0]]));
            // Some writers forget the palette's size in the offset.
            if start == own + size {
                start += colours * entry;
            }
        }
        if start == 0 {
            start = palette_at + palette.len() * entry;
        }
        let bits = bits as usize;
        Ok(Self { width, height, top_down, bits, layout, masks, palette, start })
    }
}

/// The little-endian number of up to four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_scale_channels_of_any_width() {
        assert_eq!(Masks::RGB_555.pixel(&[0x1f, 0x7c]), ([255, 0, 255], 255));
        assert_eq!(Masks::RGB_555.pixel(&[0x10, 0]), ([0, 0, 131], 255));
        let with_alpha = Masks([0xff, 0xff00, 0xff_0000, 0xff00_0000]);
        assert_eq!(with_alpha.pixel(&[1, 2, 3, 4]), ([1, 2, 3], 4));
        assert!(with_alpha.is_clear(&[1, 2, 3, 0, 9, 9, 9, 0], 32));
        assert!(!with_alpha.is_clear(&[1, 2, 3, 0, 9, 9, 9, 1], 32));
        assert_eq!(with_alpha.opaque().pixel(&[1, 2, 3, 0]), ([1, 2, 3], 255));
        assert_eq!(Masks([u32::MAX, 0, 0, 0]).pixel(&[255; 4]).0, [255, 0, 0]);
    }
}
