//! What decoding a JPEG takes. Measured on one core with SIMD; without, samples take three times as
//! long.

use std::time::Duration;

use super::turbo::Report;
use crate::decode::cost::Cost;

/// Structures, Huffman tables and range limits, for any picture.
const FIXED_BYTES: u64 = 256 << 10;
/// Picoseconds for each byte of Huffman codes, whatever the scale, and of arithmetic codes.
const HUFFMAN_BYTE: u64 = 12_000;
const ARITHMETIC_BYTE: u64 = 80_000;
/// Picoseconds to visit the coefficients of a pixel in one more scan.
const SCAN_PIXEL: u64 = 1_200;
/// Picoseconds for inverse DCT, upsampling and colours of a pixel, by denominator of the scale.
const PIXEL: [(u32, u64); 4] = [(1, 4_500), (2, 1_500), (4, 800), (8, 300)];
/// The same for samples wider than 8 bits, which have no SIMD code.
const WIDE_PIXEL: u64 = 20_000;

/// The cost of a picture in `encoded_bytes` bytes and `scans` scans.
pub(super) fn of(report: &Report, encoded_bytes: usize, scans: u64, denominator: u32) -> Cost {
    let side = |side: u32| u64::from(side.div_ceil(denominator));
    let out = side(report.width) * side(report.height) * u64::from(report.out_components);
    let pixels = u64::from(report.width) * u64::from(report.height);
    let byte = if report.arithmetic == 0 { HUFFMAN_BYTE } else { ARITHMETIC_BYTE };
    let narrow = PIXEL.into_iter().find(|(by, _)| *by == denominator).map_or(0, |(_, each)| each);
    let pixel = if report.precision == 8 { narrow } else { WIDE_PIXEL };
    let picoseconds = (encoded_bytes as u64)
        .saturating_mul(byte)
        .saturating_add(pixels.saturating_mul(pixel + scans * SCAN_PIXEL));
    Cost {
        peak_bytes: out + report.kept_bytes + report.row_bytes + FIXED_BYTES,
        time: Duration::from_nanos(picoseconds / 1000),
    }
}
