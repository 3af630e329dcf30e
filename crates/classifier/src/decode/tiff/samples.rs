//! Samples of any width and kind to 8 bits: TIFF 6.0, sections 14 and 19, and technical note 3.

use crate::decode::rgb::scale_16;

/// What the bits of a sample mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Float,
}

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Samples {
    pub(super) kind: Kind,
    pub(super) bits: usize,
    pub(super) little_endian: bool,
}

/// The lowest and highest value of the samples seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// Of no samples.
    pub(super) const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn with(self, value: f64) -> Self {
        Self { low: self.low.min(value), high: self.high.max(value) }
    }
}

impl Samples {
    /// Bytes of a row of `count` samples.
    pub(super) fn row_bytes(self, count: usize) -> usize {
        (count * self.bits).div_ceil(8)
    }

    /// Whether the range depends on the picture, so that it must be seen first.
    pub(super) fn needs_range(self) -> bool {
        self.kind != Kind::Unsigned
    }

    /// The range, widened by a row.
    pub(super) fn widen(self, range: Range, row: &[u8], count: usize) -> Range {
        let values = (0..count).map(|index| self.value(row, index)).filter(|v| v.is_finite());
        values.fold(range, Range::with)
    }

    /// The range that is scaled to 0…255: that of the type where the picture does not contradict.
    ///
    /// Signed pictures without a negative value use the positive half. Floats are 0…1, 0…255 or
    /// 0…65535, whichever holds them all; others are stretched from their lowest to their highest.
    #[allow(clippy::cast_precision_loss)] // A range of a picture, not an exact value.
    pub(super) fn range(self, seen: Range) -> Range {
        let half = (1_u64 << (self.bits.clamp(1, 64) - 1)) as f64;
        match self.kind {
            Kind::Unsigned => Range { low: 0.0, high: 2.0 * half - 1.0 },
            Kind::Signed if seen.low < 0.0 => Range { low: -half, high: half - 1.0 },
            Kind::Signed => Range { low: 0.0, high: half - 1.0 },
            Kind::Float => [1.0, 255.0, 65_535.0]
                .into_iter()
                .find(|high| seen.low >= 0.0 && seen.high <= *high)
                .map_or(seen, |high| Range { low: 0.0, high }),
        }
    }

    /// Append a row of `count` samples as 8 bits.
    pub(super) fn scale(self, row: &[u8], count: usize, range: Range, to: &mut Vec<u8>) {
        match (self.kind, self.bits) {
            (Kind::Unsigned, 8) => to.extend_from_slice(&row[..count]),
            (Kind::Unsigned, 16) => {
                let sample =
                    if self.little_endian { u16::from_le_bytes } else { u16::from_be_bytes };
                let pairs = row.chunks_exact(2).take(count);
                to.extend(pairs.map(|pair| scale_16(sample([pair[0], pair[1]]))));
            }
            (Kind::Unsigned, bits @ 1..=64) => {
                let most = (1_u128 << bits) - 1;
                let scaled = |index| (u128::from(self.bits_of(row, index)) * 255 + most / 2) / most;
                to.extend((0..count).map(|index| u8::try_from(scaled(index)).unwrap_or(u8::MAX)));
            }
            _ => {
                let Range { low, high } = range;
                let width = if high > low { high - low } else { 1.0 };
                let scaled = |index| (self.value(row, index) - low) / width * 255.0 + 0.5;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturates.
                to.extend((0..count).map(|index| scaled(index) as u8));
            }
        }
    }

    /// A sample as a whole number, an index for instance.
    pub(super) fn index(self, row: &[u8], at: usize) -> u64 {
        self.bits_of(row, at)
    }

    /// The bits of a sample: words in the file's order, others from the most significant bit on.
    fn bits_of(self, row: &[u8], index: usize) -> u64 {
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.bits.is_multiple_of(8) && self.bits != 24 {
            let size = self.bits / 8;
            let bytes = row.get(index * size..(index + 1) * size).unwrap_or_default();
            return match self.little_endian {
                true => bytes.iter().rev().fold(0, shift),
                false => bytes.iter().fold(0, shift),
            };
        }
        let first = index * self.bits;
        let bit = |at: usize| row.get(at / 8).map_or(0, |byte| u64::from(byte >> (7 - at % 8) & 1));
        (first..first + self.bits).fold(0, |value, at| value << 1 | bit(at))
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn value(self, row: &[u8], index: usize) -> f64 {
        let bits = self.bits_of(row, index);
        match (self.kind, self.bits) {
            (Kind::Unsigned, _) => bits as f64,
            (Kind::Signed, width) => {
                let unused = 64 - width;
                ((bits << unused).cast_signed() >> unused) as f64
            }
            (Kind::Float, 16) => half_float(bits as u16),
            (Kind::Float, 32) => f64::from(f32::from_bits(bits as u32)),
            (Kind::Float, _) => f64::from_bits(bits),
        }
    }
}

/// IEEE 754 binary16.
fn half_float(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

/// What a row's samples were predicted from: TIFF 6.0, section 14, and technical note 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    FloatingPoint,
}

impl Predictor {
    /// Undo the prediction of a row whose pixels have `channels` samples.
    pub(super) fn undo(self, row: &mut [u8], samples: Samples, channels: usize) {
        let size = samples.bits / 8;
        match self {
            Self::None => {}
            Self::Horizontal => {
                for at in (channels * size..row.len()).step_by(size) {
                    let (before, sample) = (at - channels * size, at);
                    let mut carry = 0;
                    for place in 0..size.min(row.len() - at) {
                        let byte = if samples.little_endian { place } else { size - 1 - place };
                        let sum =
                            u16::from(row[before + byte]) + u16::from(row[sample + byte]) + carry;
                        row[sample + byte] = sum.to_le_bytes()[0];
                        carry = sum >> 8;
                    }
                }
            }
            Self::FloatingPoint => {
                for at in channels..row.len() {
                    row[at] = row[at].wrapping_add(row[at - channels]);
                }
                // The bytes of all samples stand together, the most significant ones first.
                let planes = row.to_vec();
                let count = planes.len() / size;
                for index in 0..count {
                    for byte in 0..size {
                        let plane = if samples.little_endian { size - 1 - byte } else { byte };
                        row[index * size + byte] = planes[plane * count + index];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(kind: Kind, bits: usize) -> Samples {
        Samples { kind, bits, little_endian: true }
    }

    fn scaled(samples: Samples, row: &[u8], count: usize) -> Vec<u8> {
        let seen = samples.widen(Range::EMPTY, row, count);
        let mut to = Vec::new();
        samples.scale(row, count, samples.range(seen), &mut to);
        to
    }

    #[test]
    fn samples_are_scaled_by_their_range() {
        assert_eq!(scaled(samples(Kind::Unsigned, 1), &[0b1010_0000], 3), [255, 0, 255]);
        assert_eq!(scaled(samples(Kind::Unsigned, 4), &[0x0f, 0x80], 3), [0, 255, 136]);
        assert_eq!(scaled(samples(Kind::Unsigned, 12), &[0xff, 0xf0, 0], 2), [255, 0]);
        assert_eq!(scaled(samples(Kind::Unsigned, 24), &[255, 255, 255, 128, 0, 0], 2), [255, 128]);
        let words = [0_u32, u32::MAX].map(u32::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Unsigned, 32), &words, 2), [0, 255]);
        let long = [0, 1 << 63, u64::MAX].map(u64::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Unsigned, 64), &long, 3), [0, 128, 255]);
        let signed = [i64::MIN, 0, i64::MAX].map(i64::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Signed, 64), &signed, 3), [0, 128, 255]);
        let positive = [0_i16, i16::MAX].map(i16::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Signed, 16), &positive, 2), [0, 255]);
        let both = [i16::MIN, 0, i16::MAX].map(i16::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Signed, 16), &both, 3), [0, 128, 255]);
        for (values, expected) in [
            ([0.0_f32, 0.5, 1.0], [0, 128, 255]),
            ([0.0, 100.0, 255.0], [0, 100, 255]),
            ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ] {
            let row = values.map(f32::to_le_bytes).concat();
            assert_eq!(scaled(samples(Kind::Float, 32), &row, 3), expected, "{values:?}");
        }
        let halves = [0x0000_u16, 0x3800, 0x3c00].map(u16::to_le_bytes).concat();
        assert_eq!(scaled(samples(Kind::Float, 16), &halves, 3), [0, 128, 255]);
    }

    #[test]
    fn predictions_are_undone() {
        let mut row = [250, 0, 10, 0, 0xff, 0xff];
        Predictor::Horizontal.undo(&mut row, samples(Kind::Unsigned, 16), 1);
        assert_eq!(row, [250, 0, 4, 1, 3, 1]);
        // Two floats 1.0 (3f80 0000): planes 3f 3f, 80 80, 00 00, 00 00, as differences.
        let mut row = [0x3f, 0, 0x41, 0, 0x80, 0, 0, 0];
        Predictor::FloatingPoint.undo(&mut row, samples(Kind::Float, 32), 1);
        assert_eq!(row, [1.0_f32; 2].map(f32::to_le_bytes).concat()[..]);
    }
}
