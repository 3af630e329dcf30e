//! Limits: what a picture may cost before it is refused.

use std::time::Duration;

use super::cost::Cost;
use super::format::{Format, FormatSet};
use crate::error::ClassifyError;

/// What a pixel may take at most: HEIC in one tile, 4:2:0, takes 18.5.
const BYTES_PER_PIXEL: u64 = 20;
/// 16 bits of RGBA.
const WIDE_PIXEL_BYTES: u64 = 8;
/// What decoders hold whatever the size of the picture.
const FIXED_BYTES: u64 = 16 << 20;

/// Limits a decoder runs under; they are checked from the header, before pixels are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width × height, in pixels.
    pub max_pixels: u64,
    /// Most bytes a decoder may allocate for one picture, its output included.
    pub max_decoded_bytes: u64,
    /// Longest that decoding a picture may take on one core, by the estimate of [`Cost::time`].
    pub max_time: Duration,
    /// How many times slower this machine's cores are than the one of the estimate.
    pub slowness: u32,
    /// The formats that are accepted.
    pub formats: FormatSet,
}

impl Limits {
    pub(super) fn check_pixels(&self, pixels: u64) -> Result<(), ClassifyError> {
        if pixels <= self.max_pixels {
            return Ok(());
        }
        Err(ClassifyError::ImageTooLarge { pixels, limit: self.max_pixels })
    }

    pub(super) fn check_bytes(&self, bytes: u64) -> Result<(), ClassifyError> {
        if bytes <= self.max_decoded_bytes {
            return Ok(());
        }
        Err(ClassifyError::TooMuchMemory { limit: self.max_decoded_bytes })
    }

    /// Whether a picture of `format` may cost so much.
    pub(crate) fn check(&self, format: Format, cost: &Cost) -> Result<(), ClassifyError> {
        self.check_bytes(cost.peak_bytes)?;
        if self.time_here(cost) > self.max_time {
            let format = format.name();
            return Err(ClassifyError::TooMuchTime { format, limit: self.max_time });
        }
        Ok(())
    }

    /// The estimate for this machine.
    pub(crate) fn time_here(&self, cost: &Cost) -> Duration {
        cost.time.saturating_mul(self.slowness)
    }

    /// The largest picture of 16 bits of RGBA that `bytes` hold, in pixels: with so much memory, a
    /// limit of so many pixels keeps its word for all but the dearest formats.
    #[must_use]
    pub fn pixels_in(bytes: u64) -> u64 {
        (bytes.saturating_sub(FIXED_BYTES) / WIDE_PIXEL_BYTES).max(1)
    }

    /// Accept pictures of up to `pixels`, and no more memory than the largest of them may need:
    /// 20 bytes per pixel and 16 MiB, but at most the default, and at least 16 bits of RGBA.
    pub fn limit_pixels(&mut self, pixels: u64) {
        let dear = pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(FIXED_BYTES);
        let wide = pixels.saturating_mul(WIDE_PIXEL_BYTES);
        self.max_pixels = pixels;
        self.max_decoded_bytes = dear.min(Self::default().max_decoded_bytes).max(wide);
    }
}

impl Default for Limits {
    /// 50 megapixels; 400 MiB, which holds them even as 16-bit RGBA (but not every progressive JPEG
    /// without subsampling: the coefficients of such a file are kept beside its pixels); 2 seconds.
    fn default() -> Self {
        Self {
            max_pixels: 50_000_000,
            max_decoded_bytes: 400 << 20,
            max_time: Duration::from_secs(2),
            slowness: 1,
            formats: FormatSet::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pixels: u64) -> u64 {
        let mut limits = Limits::default();
        limits.limit_pixels(pixels);
        limits.max_decoded_bytes
    }

    #[test]
    fn fewer_pixels_mean_less_memory() {
        assert_eq!(bytes(50_000_000), Limits::default().max_decoded_bytes);
        assert!(bytes(1_000_000) < 40 << 20);
        assert!(bytes(12_000_000) > 12_000_000 * 18);
        assert_eq!(bytes(100_000_000), 800_000_000);
    }

    #[test]
    fn dear_variants_have_fewer_pixels() {
        let refused = |cost: Cost| Limits::default().check(Format::Png, &cost).is_err();
        assert!(!refused(Cost::new(1, 50_000_000, 39)));
        assert!(refused(Cost::new(1, 50_000_000, 41)));
        assert!(refused(Cost::new(1, u64::MAX, u64::MAX)));
        let slow = Limits { slowness: 4, ..Limits::default() };
        assert!(slow.check(Format::Png, &Cost::new(1, 12_000_000, 41)).is_ok());
        assert!(slow.check(Format::Png, &Cost::new(1, 13_000_000, 41)).is_err());
    }
}
