//! Pillow's two passes over 8-bit pixels: fixed-point weights, the rows of the upright picture first,
//! rounded to 8 bits between the passes. Bit for bit what `Image.resize` gives.

use super::Source;
use super::axis::Axis;

/// Pillow's `PRECISION_BITS`: what 32 bits leave above a sum of 8-bit values.
const BITS: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (BITS - 1);

/// Upright RGB of the two axes' results; `turned` says that rows upright are columns as stored.
pub(super) fn resample(source: &Source<'_>, across: &Axis, down: &Axis, turned: bool) -> Vec<u8> {
    let stride = source.width * 3;
    if turned {
        let (first, end) = down.reach();
        let columns = (first * 3, end * 3);
        let middle = vertical(source.pixels, stride, columns, across, &across.shifted(0));
        let small = horizontal(&middle, (end - first) * 3, down, &down.shifted(first));
        return transposed(&small, down.len());
    }
    let (first, end) = down.reach();
    let rows = &source.pixels[first * stride..end * stride];
    let middle = horizontal(rows, stride, across, &across.shifted(0));
    let width = across.len() * 3;
    vertical(&middle, width, (0, width), down, &down.shifted(first))
}

/// Every row of `pixels`, `stride` bytes long, at the axis' results.
fn horizontal(pixels: &[u8], stride: usize, axis: &Axis, starts: &[usize]) -> Vec<u8> {
    let weights = fixed(axis);
    let mut small = vec![0; pixels.len() / stride.max(1) * axis.len() * 3];
    let rows = pixels.chunks_exact(stride.max(1));
    for (row, to) in rows.zip(small.chunks_exact_mut((axis.len() * 3).max(1))) {
        let results = to.chunks_exact_mut(3).zip(starts).zip(weights.chunks_exact(axis.taps));
        for ((to, start), weights) in results {
            let mut sums = [HALF; 3];
            let near = &row[start * 3..][..axis.taps * 3];
            for (pixel, weight) in near.chunks_exact(3).zip(weights) {
                for (sum, level) in sums.iter_mut().zip(pixel) {
                    *sum = sum.wrapping_add(i32::from(*level).wrapping_mul(*weight));
                }
            }
            for (to, sum) in to.iter_mut().zip(sums) {
                *to = rounded(sum);
            }
        }
    }
    small
}

/// The axis' results down the `columns` (first byte, and one behind the last) of every row.
fn vertical(
    pixels: &[u8],
    stride: usize,
    (first, end): (usize, usize),
    axis: &Axis,
    starts: &[usize],
) -> Vec<u8> {
    let weights = fixed(axis);
    let width = end - first;
    let mut small = vec![0; axis.len() * width];
    let mut sums = vec![0_i32; width];
    let results = small.chunks_exact_mut(width.max(1)).zip(starts);
    for ((to, start), weights) in results.zip(weights.chunks_exact(axis.taps)) {
        sums.fill(HALF);
        for (tap, weight) in weights.iter().enumerate() {
            let row = &pixels[(start + tap) * stride + first..][..width];
            for (sum, level) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(*level).wrapping_mul(*weight));
            }
        }
        for (to, sum) in to.iter_mut().zip(&sums) {
            *to = rounded(*sum);
        }
    }
    small
}

/// Pillow's `clip8`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
fn rounded(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// Pillow's `normalize_coeffs_8bpc`: halves away from zero.
#[allow(clippy::cast_possible_truncation)] // Weights are 2 at most.
fn fixed(axis: &Axis) -> Vec<i32> {
    let one = f64::from(1_u32 << BITS);
    axis.weights.iter().map(|weight| (weight * one + 0.5_f64.copysign(*weight)) as i32).collect()
}

/// RGB with `width` pixels in a row, its rows and columns exchanged.
pub(super) fn transposed(pixels: &[u8], width: usize) -> Vec<u8> {
    let height = pixels.len() / (width * 3).max(1);
    let mut turned = Vec::with_capacity(pixels.len());
    for x in 0..width {
        for y in 0..height {
            turned.extend_from_slice(&pixels[(y * width + x) * 3..][..3]);
        }
    }
    turned
}
