//! Decoded samples to RGB: alpha over white.

use image::{DynamicImage, RgbImage};

/// Any pixel type of crate `image` as RGB.
pub(super) fn to_rgb(decoded: DynamicImage) -> RgbImage {
    match decoded {
        DynamicImage::ImageRgb8(pixels) => pixels,
        other if other.color().has_alpha() => over_white(other),
        other => other.into_rgb8(),
    }
}

fn over_white(decoded: DynamicImage) -> RgbImage {
    let rgba = decoded.into_rgba8();
    let (width, height) = rgba.dimensions();
    let mut rgb = RgbImage::new(width, height);
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0;
        to.0 = [r, g, b].map(|channel| blend_with_white(channel, alpha));
    }
    rgb
}

/// `channel × alpha + white × (1 − alpha)`, rounded to nearest.
pub(super) fn blend_with_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    let blended = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(blended).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_composed_over_white() {
        assert_eq!(blend_with_white(100, 128), 177);
        assert_eq!(blend_with_white(7, 255), 7);
        assert_eq!(blend_with_white(7, 0), 255);
    }
}
