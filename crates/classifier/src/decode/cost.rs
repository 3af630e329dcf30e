//! What decoding a picture costs, known from its header before any of its pixels is read.
//!
//! Each format has its own constants for time, fitted to what `cargo run --release --example cost`
//! prints for the pictures of `tests/pictures/costly.py`: photographs, noise and flat areas.

use std::time::Duration;

/// An upper bound of memory and an estimate of processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The most bytes that the decoder holds at one time, the decoded picture included and the
    /// encoded file excluded.
    pub peak_bytes: u64,
    /// Time on one core of a server processor of 2023, within a factor of three.
    pub time: Duration,
}

impl Cost {
    /// `peak_bytes`, and `nanoseconds` for each of `pixels`.
    pub(super) fn new(peak_bytes: u64, pixels: u64, nanoseconds: u64) -> Self {
        Self { peak_bytes, time: Duration::ZERO }.and(pixels, nanoseconds)
    }

    /// And `nanoseconds` for each of `units` more.
    pub(super) fn and(self, units: u64, nanoseconds: u64) -> Self {
        let more = Duration::from_nanos(units.saturating_mul(nanoseconds));
        Self { time: self.time.saturating_add(more), ..self }
    }
}
