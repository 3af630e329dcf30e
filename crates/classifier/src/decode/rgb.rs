//! Decoded samples to 8-bit RGB: alpha over white, 16 bits scaled.

/// A 16-bit sample as 8 bits, rounded to nearest.
pub(super) fn scale_16(sample: u16) -> u8 {
    u8::try_from((u32::from(sample) + 128) / 257).unwrap_or(u8::MAX)
}

/// How the samples of a row stand: 8 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    /// Samples of a pixel.
    pub(super) fn samples(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Write a row of 8-bit samples as RGB; `out` has three bytes for each pixel.
pub(super) fn write_row(row: &[u8], layout: Layout, out: &mut [u8]) {
    let pixels = out.chunks_exact_mut(3);
    match layout {
        Layout::Grey => pixels.zip(row).for_each(|(to, grey)| to.fill(*grey)),
        Layout::GreyAlpha => {
            for (to, from) in pixels.zip(row.chunks_exact(2)) {
                to.fill(over_white(from[0], from[1]));
            }
        }
        Layout::Rgb => out.copy_from_slice(&row[..out.len()]),
        Layout::Rgba => {
            for (to, from) in pixels.zip(row.chunks_exact(4)) {
                for channel in 0..3 {
                    to[channel] = over_white(from[channel], from[3]);
                }
            }
        }
    }
}

/// RGBA over white as RGB, in the same memory.
pub(super) fn flatten(mut pixels: Vec<u8>) -> Vec<u8> {
    let count = pixels.len() / 4;
    for pixel in 0..count {
        let alpha = pixels[pixel * 4 + 3];
        for channel in 0..3 {
            pixels[pixel * 3 + channel] = over_white(pixels[pixel * 4 + channel], alpha);
        }
    }
    pixels.truncate(count * 3);
    pixels
}

/// `channel × alpha + white × (1 − alpha)`, rounded to nearest.
pub(super) fn over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    let blended = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(blended).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_composed_over_white() {
        assert_eq!(over_white(100, 128), 177);
        assert_eq!(over_white(7, 255), 7);
        assert_eq!(over_white(7, 0), 255);
        assert_eq!(flatten(vec![1, 2, 3, 255, 9, 9, 9, 0]), [1, 2, 3, 255, 255, 255]);
        let mut out = [0; 6];
        write_row(&[7, 255, 100, 128], Layout::GreyAlpha, &mut out);
        assert_eq!(out, [7, 7, 7, 177, 177, 177]);
    }

    #[test]
    fn sixteen_bits_round_to_nearest() {
        let scaled = [0, 128, 129, 0x80ff, 65_406, 65_407, 65_535].map(scale_16);
        assert_eq!(scaled, [0, 0, 1, 128, 254, 255, 255]);
    }
}
