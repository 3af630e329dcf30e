//! A class activation map laid over the picture that it explains.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::bundle::InputSpec;
use crate::error::ClassifyError;
use crate::explain::ClassMap;

/// Five stops of matplotlib's viridis: readable with every kind of colour vision and in grey.
const RAMP: [[u8; 3]; 5] =
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/// A PNG of the input size: `pixels` (uint8 RGB `[height, width, 3]`) and the map, half and half.
pub(crate) fn png(
    pixels: &[u8],
    input: &InputSpec,
    map: &ClassMap,
) -> Result<Vec<u8>, ClassifyError> {
    let heat = enlarged(map, input)?;
    let blended: Vec<u8> = pixels
        .chunks_exact(3)
        .zip(heat)
        .flat_map(|(pixel, heat)| {
            let colour = colour(heat);
            [0, 1, 2].map(|channel| half(pixel[channel], colour[channel]))
        })
        .collect();
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    encoder
        .write_image(&blended, input.width, input.height, ExtendedColorType::Rgb8)
        .map_err(|error| ClassifyError::Overlay(error.into()))?;
    Ok(file)
}

/// The map at the input size, 0…255, bilinear between the places' centres.
fn enlarged(map: &ClassMap, input: &InputSpec) -> Result<Vec<u8>, ClassifyError> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0…1 before.
    let levels = map.scaled().into_iter().map(|value| (value * 255.0).round() as u8).collect();
    let side = |places: usize| u32::try_from(places).unwrap_or(u32::MAX);
    let small = Image::from_vec_u8(side(map.width()), side(map.height()), levels, PixelType::U8)
        .map_err(|error| ClassifyError::Overlay(error.into()))?;
    let mut large = Image::new(input.width, input.height, PixelType::U8);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize(&small, &mut large, Some(&options))
        .map_err(|error| ClassifyError::Overlay(error.into()))?;
    Ok(large.into_vec())
}

/// `RAMP` at `heat`, linear between its stops.
fn colour(heat: u8) -> [u8; 3] {
    const STEPS: usize = RAMP.len() - 1;
    let position = usize::from(heat) * STEPS;
    let (stop, weight) = (position / 255, position % 255);
    let (from, to) = (RAMP[stop], RAMP[(stop + 1).min(STEPS)]);
    [0, 1, 2].map(|channel| {
        let mixed = usize::from(from[channel]) * (255 - weight) + usize::from(to[channel]) * weight;
        u8::try_from(mixed / 255).unwrap_or(u8::MAX)
    })
}

fn half(a: u8, b: u8) -> u8 {
    a.midpoint(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Interpolation;

    #[test]
    fn the_ramp_begins_and_ends_with_its_stops() {
        assert_eq!(colour(0), RAMP[0]);
        assert_eq!(colour(255), RAMP[4]);
        assert!(colour(127)[1].abs_diff(RAMP[2][1]) <= 1);
    }

    #[test]
    fn the_picture_shows_through_and_the_hottest_place_is_the_brightest() {
        let interpolation = Interpolation::BilinearAntialias;
        let input = InputSpec { height: 8, width: 12, resize_shorter_side: 12, interpolation };
        let map = ClassMap::new(3, vec![0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
        let file = png(&vec![200; input.bytes()], &input, &map).unwrap();
        let overlay = image::load_from_memory(&file).unwrap().into_rgb8();
        assert_eq!(overlay.dimensions(), (12, 8));
        assert_eq!(overlay.get_pixel(0, 0).0, RAMP[0].map(|cold| half(200, cold)));
        assert_eq!(overlay.get_pixel(11, 7).0, RAMP[4].map(|hot| half(200, hot)));
    }
}
