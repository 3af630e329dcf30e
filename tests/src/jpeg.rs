//! JPEG files for tests and benchmarks.

use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};

const QUALITY: u8 = 75;

/// Rows of RGB as a JPEG file, the chroma not subsampled.
///
/// # Errors
/// When there are too few pixels, or a side is longer than the format allows.
pub fn rgb(pixels: &[u8], size: (u32, u32)) -> Result<Vec<u8>, EncodingError> {
    encode(pixels, size, ColorType::Rgb)
}

/// Rows of grey as a JPEG file.
///
/// # Errors
/// As [`rgb`].
pub fn grey(pixels: &[u8], size: (u32, u32)) -> Result<Vec<u8>, EncodingError> {
    encode(pixels, size, ColorType::Luma)
}

fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    colour: ColorType,
) -> Result<Vec<u8>, EncodingError> {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or_default(); // 0 is refused
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.encode(pixels, side(width), side(height), colour)?;
    Ok(file)
}
