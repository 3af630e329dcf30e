//! A picture blended with the class activation map that explains it.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::activation_map::ClassActivationMap;
use crate::bundle::{Cells, InputSpec};
use crate::error::ClassifyError;

/// Five stops of matplotlib's viridis: readable with every kind of colour vision and in grey.
const RAMP: [[u8; 3]; 5] =
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/// The picture below an overlay.
pub(crate) struct OverlayBase<'a> {
    /// The picture at the input size: uint8 RGB `[height, width, 3]`.
    pub(crate) pixels: &'a [u8],
    pub(crate) input: &'a InputSpec,
    /// The grid of the map's cells; without it they share the input evenly.
    pub(crate) cells: Option<Cells>,
}

/// A PNG of the input size: the picture and the map, half and half.
pub(crate) fn png(
    base: &OverlayBase<'_>,
    map: &ClassActivationMap,
) -> Result<Vec<u8>, ClassifyError> {
    let &OverlayBase { pixels, input, cells } = base;
    let blended: Vec<u8> = pixels
        .chunks_exact(3)
        .zip(enlarged(map, input, cells))
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

/// The map at the input size, 0…255, bilinear between the centres of its cells and constant outside
/// of them. A resize would be wrong: a network's cells are on a grid that begins at the picture's edge.
fn enlarged(map: &ClassActivationMap, input: &InputSpec, cells: Option<Cells>) -> Vec<u8> {
    let values = map.scaled();
    let axis = |pixels, count| neighbours(pixels, count, cells);
    let across = axis(input.width, map.width());
    let mut heat = Vec::with_capacity(across.len() * input.height as usize);
    for down in axis(input.height, map.height()) {
        let row = |y: usize| &values[y * map.width()..][..map.width()];
        let (above, below) = (row(down.low), row(down.high));
        heat.extend(across.iter().map(|at| {
            let value = down.blend(at.interpolate(above), at.interpolate(below)).clamp(0.0, 1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0…1 before.
            {
                (value * 255.0).round() as u8
            }
        }));
    }
    heat
}

/// The two cells of a row or column that a pixel is between.
struct Neighbours {
    low: usize,
    high: usize,
    /// The weight of `high`, 0…1.
    weight: f32,
}

impl Neighbours {
    fn interpolate(&self, line: &[f32]) -> f32 {
        self.blend(line[self.low], line[self.high])
    }

    fn blend(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.weight
    }
}

/// The neighbours of each of `pixels` pixels among `count` cells.
#[allow(clippy::cast_precision_loss)] // A map has a few dozen cells.
fn neighbours(pixels: u32, count: usize, cells: Option<Cells>) -> Vec<Neighbours> {
    let last = count - 1;
    let even = f64::from(pixels) / count as f64;
    let (stride, first) =
        cells.map_or((even, even / 2.0), |cells| (f64::from(cells.stride), cells.first));
    let neighbours = |pixel: u32| {
        let centre = f64::from(pixel) + 0.5;
        let cell = ((centre - first) / stride).clamp(0.0, last as f64);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0…last before.
        let (low, weight) = (cell as usize, cell.fract() as f32);
        Neighbours { low, high: (low + 1).min(last), weight }
    };
    (0..pixels).map(neighbours).collect()
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

    #[test]
    fn the_ramp_begins_and_ends_with_its_stops() {
        assert_eq!(colour(0), RAMP[0]);
        assert_eq!(colour(255), RAMP[4]);
        assert!(colour(127)[1].abs_diff(RAMP[2][1]) <= 1);
    }

    const INPUT: InputSpec = InputSpec::centre_of(8, 12, 12);

    #[test]
    fn the_picture_shows_through_and_the_hottest_position_is_the_brightest() {
        let map = ClassActivationMap::new(3, vec![0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
        let base = OverlayBase { pixels: &vec![200; INPUT.bytes()], input: &INPUT, cells: None };
        let file = png(&base, &map).unwrap();
        let overlay = image::load_from_memory(&file).unwrap().into_rgb8();
        assert_eq!(overlay.dimensions(), (12, 8));
        assert_eq!(overlay.get_pixel(0, 0).0, RAMP[0].map(|cold| half(200, cold)));
        assert_eq!(overlay.get_pixel(11, 7).0, RAMP[4].map(|hot| half(200, hot)));
    }

    #[test]
    fn a_map_lies_where_its_cells_look() {
        let map = ClassActivationMap::new(3, vec![0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
        let row = |cells| enlarged(&map, &INPUT, cells)[..12].to_vec();
        // Evenly: cells of 4 pixels, centred at 2, 6 and 10; the pixels 5 and 6 are nearest to 6.
        assert_eq!(row(None), [0, 0, 32, 96, 159, 223, 223, 159, 96, 32, 0, 0]);
        // A network whose first cell looks at the first pixel: the second looks at the fifth.
        let edge = Cells { stride: 4, first: 0.5 };
        assert_eq!(row(Some(edge)), [0, 64, 128, 191, 255, 191, 128, 64, 0, 0, 0, 0]);
    }
}
