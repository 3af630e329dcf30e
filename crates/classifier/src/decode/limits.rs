//! Limits: what a picture may cost before it is refused.

use super::format::FormatSet;
use crate::error::ClassifyError;

/// Limits a decoder runs under; they are checked from the header, before pixels are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width × height, in pixels.
    pub max_pixels: u64,
    /// Most bytes a decoder may allocate for one picture, its output included.
    pub max_decoded_bytes: u64,
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
}

impl Default for Limits {
    /// 50 megapixels; 400 MiB, which holds them even as 16-bit RGBA (but not every progressive JPEG
    /// without subsampling: the coefficients of such a file are kept beside its pixels).
    fn default() -> Self {
        Self { max_pixels: 50_000_000, max_decoded_bytes: 400 << 20, formats: FormatSet::ALL }
    }
}
