//! Pillow's two passes over 8-bit pixels: fixed-point weights, rounded to 8 bits between the passes.
//! Bit for bit what `Image.resize` of Pillow 13 gives, which resizes the columns of some pictures
//! first.

use pulp::{Arch, NullaryFnOnce};

use super::Source;
use super::axis::Axis;

/// Pillow's `PRECISION_BITS`: what 32 bits leave above a sum of 8-bit values.
const BITS: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (BITS - 1);

/// Whether the columns of an upright picture, `[width, height]`, are resized first: where its height
/// shrinks by more than twice what its width does.
pub(super) fn columns_first(upright: [u32; 2], resized: [u32; 2]) -> bool {
    let [across, down] = [0, 1].map(|side| i64::from(upright[side]) - i64::from(resized[side]));
    down > 0 && 2 * across < down
}

/// Upright RGB of the two axes' results; `turned` says that rows upright are columns as stored.
pub(super) fn resample(
    source: &Source<'_>,
    across: &Axis,
    down: &Axis,
    turned: bool,
    columns_first: bool,
) -> Vec<u8> {
    let [along, over] = if turned { [down, across] } else { [across, down] };
    let small = if columns_first == turned {
        rows_then_columns(source, along, over)
    } else {
        columns_then_rows(source, along, over)
    };
    if turned { transposed(&small, along.len()) } else { small }
}

/// Of the stored picture, `along` its rows.
fn rows_then_columns(source: &Source<'_>, along: &Axis, over: &Axis) -> Vec<u8> {
    let stride = source.width * 3;
    let (first, end) = over.reach();
    let rows = &source.pixels[first * stride..end * stride];
    let middle = horizontal(rows, stride, along, &along.shifted(0));
    let width = along.len() * 3;
    vertical(&middle, width, (0, width), over, &over.shifted(first))
}

/// The same in the other order.
fn columns_then_rows(source: &Source<'_>, along: &Axis, over: &Axis) -> Vec<u8> {
    let (first, end) = along.reach();
    let columns = (first * 3, end * 3);
    let middle = vertical(source.pixels, source.width * 3, columns, over, &over.shifted(0));
    horizontal(&middle, (end - first) * 3, along, &along.shifted(first))
}

/// Pixels whose levels are weighed in one step: eight values of 32 bits, of which two are spare.
const STEP: usize = 2;
const LANES: usize = 8;

/// Every row of `pixels`, `stride` bytes long, at the axis' results.
fn horizontal(pixels: &[u8], stride: usize, axis: &Axis, starts: &[usize]) -> Vec<u8> {
    let width = axis.len() * 3;
    let mut small = vec![0; pixels.len() / stride.max(1) * width];
    let rows = pixels.chunks_exact(stride.max(1)).zip(small.chunks_exact_mut(width.max(1)));
    let spread = spread(axis);
    let steps = axis.taps.div_ceil(STEP);
    // A step reads beyond the pixels that it weighs, and the last pixels of a row are its end.
    let mut padded = vec![0; stride + LANES];
    let mut sums = vec![0; width + 1];
    for (row, to) in rows {
        padded[..stride].copy_from_slice(row);
        let (row, sums) = (&padded[..], &mut sums[..]);
        Arch::new().dispatch(Across { row, starts, spread: &spread, steps, sums, to });
    }
    small
}

/// For each result, weights for steps of two pixels: `r g b r g b` and two zeros.
fn spread(axis: &Axis) -> Vec<[i32; LANES]> {
    let fixed = fixed(axis);
    let mut spread = Vec::with_capacity(axis.len() * axis.taps.div_ceil(STEP));
    for weights in fixed.chunks_exact(axis.taps) {
        spread.extend(weights.chunks(STEP).map(|pair| {
            let [first, second] = [pair[0], pair.get(1).copied().unwrap_or_default()];
            [first, first, first, second, second, second, 0, 0]
        }));
    }
    spread
}

/// One row of [`horizontal`], compiled for each kind of vectors.
struct Across<'a> {
    row: &'a [u8],
    starts: &'a [usize],
    spread: &'a [[i32; LANES]],
    steps: usize,
    /// One more than three for each result: they are written in fours.
    sums: &'a mut [i32],
    to: &'a mut [u8],
}

impl NullaryFnOnce for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { row, starts, spread, steps, sums, to } = self;
        let results = starts.iter().zip(spread.chunks_exact(steps.max(1)));
        for (result, (start, spread)) in results.enumerate() {
            let mut near = &row[start * 3..];
            let mut lanes = [0_i32; LANES];
            for weights in spread {
                let Some(levels) = near.first_chunk::<LANES>() else { break };
                for lane in 0..LANES {
                    let product = i32::from(levels[lane]).wrapping_mul(weights[lane]);
                    lanes[lane] = lanes[lane].wrapping_add(product);
                }
                near = &near[STEP * 3..];
            }
            if let Some(sums) = sums[result * 3..].first_chunk_mut::<4>() {
                for channel in 0..4 {
                    sums[channel] = lanes[channel].wrapping_add(lanes[channel + 3]);
                }
            }
        }
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = rounded(sum.wrapping_add(HALF));
        }
    }
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
        let rows = &pixels[start * stride + first..];
        Arch::new().dispatch(Down { rows, stride, weights, sums: &mut sums, to });
    }
    small
}

/// One row of the result of [`vertical`], compiled for each kind of vectors.
struct Down<'a> {
    rows: &'a [u8],
    stride: usize,
    weights: &'a [i32],
    sums: &'a mut [i32],
    to: &'a mut [u8],
}

impl NullaryFnOnce for Down<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { rows, stride, weights, sums, to } = self;
        sums.fill(HALF);
        for (tap, weight) in weights.iter().enumerate() {
            for (sum, level) in sums.iter_mut().zip(&rows[tap * stride..]) {
                *sum = sum.wrapping_add(i32::from(*level).wrapping_mul(*weight));
            }
        }
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = rounded(*sum);
        }
    }
}

/// Pillow's `clip8`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
#[inline(always)]
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
