//! Interpolation of `torch` without antialiasing: in floating point, rounded once at the end.

use super::Source;
use super::axis::Axis;
use super::fixed::transposed;

/// Upright RGB of the two axes' results; `turned` says that rows upright are columns as stored.
pub(super) fn resample(source: &Source<'_>, across: &Axis, down: &Axis, turned: bool) -> Vec<u8> {
    let (along, against) = if turned { (down, across) } else { (across, down) };
    let width = along.len() * 3;
    let mut small = Vec::with_capacity(width * against.len());
    for (start, weights) in against.starts.iter().zip(against.weights.chunks_exact(against.taps)) {
        let mut sums = vec![0.0_f64; width];
        for (tap, weight) in weights.iter().enumerate() {
            let row = &source.pixels[(start + tap) * source.width * 3..][..source.width * 3];
            add(row, along, *weight, &mut sums);
        }
        small.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    if turned { transposed(&small, along.len()) } else { small }
}

/// A row's results, weighted.
fn add(row: &[u8], axis: &Axis, by: f64, sums: &mut [f64]) {
    let results = sums.chunks_exact_mut(3).zip(&axis.starts);
    for ((sums, start), weights) in results.zip(axis.weights.chunks_exact(axis.taps)) {
        for (tap, weight) in weights.iter().enumerate() {
            let pixel = &row[(start + tap) * 3..][..3];
            for (sum, level) in sums.iter_mut().zip(pixel) {
                *sum += f64::from(*level) * weight * by;
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
fn rounded(sum: f64) -> u8 {
    sum.round_ties_even().clamp(0.0, 255.0) as u8
}
