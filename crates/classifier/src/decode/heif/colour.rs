//! From luma and chroma to RGB: the matrix and the range of ITU-T H.273.

use crate::decode::isobmff::{Fault, Reader};

/// What `colr` of type `nclx`, HEVC's VUI or AV1's sequence header says of a picture's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) primaries: u16,
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

impl Colour {
    /// Nothing is said: BT.601 in limited range, as libheif and libavif read it.
    pub(super) const UNSPECIFIED: Self = Self { primaries: 2, matrix: 2, full_range: false };

    /// A `colr` box; `None` where it holds an ICC profile.
    pub(super) fn read(mut content: Reader<'_>) -> Result<Option<Self>, Fault> {
        if &content.code()? != b"nclx" {
            return Ok(None);
        }
        let primaries = content.u16()?;
        content.u16()?; // transfer characteristics stay as they are, as in the reference
        Ok(Some(Self { primaries, matrix: content.u16()?, full_range: content.u8()? >> 7 == 1 }))
    }

    /// How samples of these depths become RGB.
    pub(super) fn conversion(self, luma_bits: u32, chroma_bits: u32) -> Result<Conversion, Fault> {
        let (red, blue) = match self.matrix {
            1 => (0.2126, 0.0722),
            2 | 5 | 6 => (0.299, 0.114),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            0 | 8 => (0.0, 0.0),
            12 => match self.primaries {
                1 => (0.2126, 0.0722),
                4..=7 => (0.299, 0.114),
                9 => (0.2627, 0.0593),
                _ => return Err(Fault::Unsupported("a matrix derived from rare primaries")),
            },
            _ => return Err(Fault::Unsupported("this matrix of colour coefficients")),
        };
        let green = 1.0 - red - blue;
        let [luma, chroma] = [luma_bits, chroma_bits].map(|bits| Span::new(bits, self.full_range));
        let weights = match self.matrix {
            // YCgCo: red = Y − Cg + Co, green = Y + Cg, blue = Y − Cg − Co.
            8 => [[-1.0, 1.0], [1.0, 0.0], [-1.0, -1.0]],
            _ => [
                [0.0, 2.0 * (1.0 - red)],
                [-2.0 * blue * (1.0 - blue) / green, -2.0 * red * (1.0 - red) / green],
                [2.0 * (1.0 - blue), 0.0],
            ],
        };
        Ok(Conversion {
            identity: self.matrix == 0,
            luma_zero: luma.zero,
            luma_scale: fixed(255.0 / luma.range),
            chroma_zero: 1 << (chroma_bits - 1),
            chroma_scales: weights
                .map(|pair| pair.map(|weight| fixed(weight * 255.0 / chroma.chroma_range))),
        })
    }
}

struct Span {
    zero: i32,
    range: f64,
    chroma_range: f64,
}

impl Span {
    fn new(bits: u32, full: bool) -> Self {
        let largest = f64::from((1u32 << bits) - 1);
        let step = f64::from(1u32 << (bits - 8));
        if full {
            Self { zero: 0, range: largest, chroma_range: largest }
        } else {
            Self { zero: 16 << (bits - 8), range: 219.0 * step, chroma_range: 224.0 * step }
        }
    }
}

const FRACTION_BITS: u32 = 16;

#[expect(clippy::cast_possible_truncation, reason = "at most a few times 255 × 2^16")]
fn fixed(value: f64) -> i32 {
    (value * f64::from(1u32 << FRACTION_BITS)).round() as i32
}

/// A matrix and a range in fixed point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    identity: bool,
    luma_zero: i32,
    luma_scale: i32,
    chroma_zero: i32,
    chroma_scales: [[i32; 2]; 3],
}

impl Conversion {
    /// Whether the planes are green, blue and red themselves.
    pub(super) fn is_identity(&self) -> bool {
        self.identity
    }

    pub(super) fn row(&self, luma: &[u16], cb: &[u16], cr: &[u16], rgb: &mut [u8]) {
        let chroma = cb.iter().zip(cr);
        let pixels = rgb.chunks_exact_mut(3).zip(luma.iter().zip(chroma));
        if self.identity {
            for (pixel, (green, (blue, red))) in pixels {
                pixel.copy_from_slice(
                    &[*red, *green, *blue].map(|sample| to_byte(self.level(sample))),
                );
            }
            return;
        }
        for (pixel, (luma, (cb, cr))) in pixels {
            let level = self.level(*luma);
            let (cb, cr) = (i32::from(*cb) - self.chroma_zero, i32::from(*cr) - self.chroma_zero);
            let [red, green, blue] =
                self.chroma_scales.map(|[from_cb, from_cr]| level + from_cb * cb + from_cr * cr);
            pixel.copy_from_slice(&[to_byte(red), to_byte(green), to_byte(blue)]);
        }
    }

    pub(super) fn grey_row(&self, luma: &[u16], rgb: &mut [u8]) {
        for (pixel, luma) in rgb.chunks_exact_mut(3).zip(luma) {
            pixel.fill(to_byte(self.level(*luma)));
        }
    }

    fn level(&self, luma: u16) -> i32 {
        (i32::from(luma) - self.luma_zero) * self.luma_scale
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
fn to_byte(fixed: i32) -> u8 {
    ((fixed + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(colour: Colour, bits: u32, [luma, cb, cr]: [u16; 3]) -> [u8; 3] {
        let mut pixel = [0; 3];
        colour.conversion(bits, bits).unwrap().row(&[luma], &[cb], &[cr], &mut pixel);
        pixel
    }

    #[test]
    fn black_white_and_primaries_are_those_of_h273() {
        for matrix in [1, 4, 5, 6, 7, 8, 9] {
            let limited = Colour { primaries: 1, matrix, full_range: false };
            let full = Colour { full_range: true, ..limited };
            for (bits, scale) in [(8, 1), (10, 4), (12, 16), (16, 256)] {
                assert_eq!(rgb(limited, bits, [16, 128, 128].map(|level| level * scale)), [0; 3]);
                assert_eq!(
                    rgb(limited, bits, [235, 128, 128].map(|level| level * scale)),
                    [255; 3]
                );
                let white = u16::try_from((1u32 << bits) - 1).unwrap();
                assert_eq!(rgb(full, bits, [white, 128 * scale, 128 * scale]), [255; 3]);
            }
        }
        // Red of BT.709 in limited range.
        let colour = Colour { primaries: 1, matrix: 1, full_range: false };
        let red = rgb(colour, 8, [63, 102, 240]);
        assert!(red[0] >= 254 && red[1] <= 1 && red[2] <= 1, "{red:?}");
        let identity = Colour { primaries: 1, matrix: 0, full_range: true };
        assert_eq!(rgb(identity, 8, [10, 20, 30]), [30, 10, 20]);
    }

    #[test]
    fn matrices_that_are_not_linear_are_refused_by_name() {
        for matrix in [3, 10, 11, 13, 14, 15, u16::MAX] {
            let colour = Colour { primaries: 1, matrix, full_range: true };
            assert!(matches!(colour.conversion(8, 8), Err(Fault::Unsupported(_))), "{matrix}");
        }
    }
}
