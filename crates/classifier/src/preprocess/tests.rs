use image::{DynamicImage, RgbImage};

use super::*;
use crate::bundle::{Crop, Resize, ResizeMode, Size};
use crate::decode::Format;

fn picture(pixels: RgbImage) -> Picture {
    let header = Header::new(Format::Png, pixels.dimensions());
    Picture { pixels, header }
}

fn coloured(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 3 % 251) as u8, (y * 5 % 251) as u8, ((x * y) % 251) as u8])
    })
}

/// Every geometry that a bundle can name, for an input of 20 × 16 pixels.
fn geometries() -> Vec<InputSpec> {
    let mut all = Vec::new();
    for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos, Filter::Nearest] {
        for antialias in [true, false] {
            for (mode, size, crop) in [
                (ResizeMode::ShorterSide, Size::Side(24), Crop::Center),
                (ResizeMode::Squash, Size::Sides([16, 20]), Crop::None),
                (ResizeMode::Letterbox, Size::Sides([19, 24]), Crop::Center),
            ] {
                if filter == Filter::Lanczos && !antialias {
                    continue;
                }
                let fill = (mode == ResizeMode::Letterbox).then_some([9, 99, 199]);
                let resize = Resize { mode, size, filter, antialias, fill };
                all.push(InputSpec { height: 16, width: 20, channels: 3, resize, crop });
            }
        }
    }
    all
}

#[test]
fn twice_the_resized_sides_are_needed_where_pixels_are_averaged() {
    let header = Header::new(Format::Jpeg, (4000, 3000));
    let mut input = InputSpec::centre_of(224, 224, 256);
    assert_eq!(needed(&header, &input), Scale::AtLeast { width: 682, height: 512 });
    input.resize.mode = ResizeMode::Squash;
    let turned = Header { orientation: Orientation::Rotate90, ..header };
    assert_eq!(needed(&turned, &input), Scale::AtLeast { width: 512, height: 512 });
    input.resize.antialias = false;
    assert_eq!(needed(&header, &input), Scale::Full);
    input.resize = Resize { antialias: true, filter: Filter::Nearest, ..input.resize };
    assert_eq!(needed(&header, &input), Scale::Full);
}

/// Found by trial with Pillow 13: `resize` against one side at a time, in both orders.
#[test]
fn the_side_that_pillow_resizes_first_is_resized_first() {
    for (upright, resized, columns_first) in [
        ([199, 300], [100, 100], true),
        ([200, 300], [100, 100], false),
        ([300, 200], [100, 100], false),
        ([149, 300], [50, 100], true),
        ([150, 300], [50, 100], false),
        ([50, 300], [100, 100], true),
        ([50, 60], [100, 100], false),
    ] {
        assert_eq!(fixed::columns_first(upright, resized), columns_first, "{upright:?}");
        let squash = |pixels: &RgbImage, [width, height]: [u32; 2]| {
            let resize = Resize {
                mode: ResizeMode::Squash,
                size: Size::Sides([height, width]),
                filter: Filter::Bilinear,
                antialias: true,
                fill: None,
            };
            let input = InputSpec { height, width, channels: 3, resize, crop: Crop::None };
            RgbImage::from_raw(width, height, fit(&picture(pixels.clone()), &input)).unwrap()
        };
        let pixels = coloured(upright[0], upright[1]);
        let between =
            if columns_first { [upright[0], resized[1]] } else { [resized[0], upright[1]] };
        let each = squash(&squash(&pixels, between), resized);
        assert!(squash(&pixels, resized) == each, "{upright:?}");
    }
}

/// Odd spare pixels make the centre crop lopsided, which is where mirrored windows go wrong.
#[test]
fn turning_on_the_way_equals_turning_the_picture_first() {
    let pixels = coloured(67, 45);
    for input in geometries() {
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let header = Header::new(Format::Png, pixels.dimensions());
            let stored =
                Picture { pixels: pixels.clone(), header: Header { orientation, ..header } };
            let mut upright = DynamicImage::ImageRgb8(pixels.clone());
            upright.apply_orientation(orientation);
            let upright = picture(upright.into_rgb8());
            let (late, early) = (fit(&stored, &input), fit(&upright, &input));
            assert!(late == early, "orientation {exif}: {input:?}");
        }
    }
}

/// Sums of noise along both sides: its power falls with the frequency, as in photographs.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturated.
fn natural(width: u32, height: u32) -> RgbImage {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let mut walk = |length: u32| -> Vec<f64> {
        let mut at = 0.0;
        (0..length)
            .map(|_| {
                at = at * 0.98 + noise();
                at
            })
            .collect()
    };
    let (across, down) = (walk(width), walk(height));
    let noise: Vec<f64> = (0..width * height).map(|_| noise()).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (column, row) = (across[x as usize], down[y as usize]);
        let value = 128.0 + 25.0 * column + 25.0 * row + 12.0 * noise[(y * width + x) as usize];
        image::Rgb([value as u8, (value + 20.0 * column) as u8, (255.0 - value) as u8])
    })
}

/// As a decoder divides a picture: means of squares, the last ones over repeated edges.
fn divided(pixels: &RgbImage, by: u32) -> RgbImage {
    let (width, height) = pixels.dimensions();
    RgbImage::from_fn(width.div_ceil(by), height.div_ceil(by), |x, y| {
        let mut sums = [0; 3];
        for (dy, dx) in (0..by).flat_map(|dy| (0..by).map(move |dx| (dy, dx))) {
            let at = ((x * by + dx).min(width - 1), (y * by + dy).min(height - 1));
            let pixel = pixels.get_pixel(at.0, at.1).0;
            (0..3).for_each(|channel| sums[channel] += u32::from(pixel[channel]));
        }
        image::Rgb(sums.map(|sum| u8::try_from((sum + by * by / 2) / (by * by)).unwrap()))
    })
}

#[test]
fn a_divided_picture_gives_nearly_the_input_of_the_whole_one() {
    let pixels = natural(437, 389);
    let mut worst = 0.0_f64;
    for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
        for (by, side) in [(2, 75), (4, 40), (8, 20)] {
            let mut input = InputSpec::centre_of(side, side, side);
            input.resize.filter = filter;
            for exif in 1..=8 {
                let header = Header {
                    orientation: Orientation::from_exif(exif).unwrap(),
                    ..Header::new(Format::Jpeg, pixels.dimensions())
                };
                let whole = fit(&Picture { pixels: pixels.clone(), header }, &input);
                let small = fit(&Picture { pixels: divided(&pixels, by), header }, &input);
                let differences = whole.iter().zip(&small).map(|(a, b)| u32::from(a.abs_diff(*b)));
                let mean = f64::from(differences.sum::<u32>()) / whole.len() as f64;
                worst = worst.max(mean);
            }
        }
    }
    assert!(worst < 0.7, "{worst:.3}");
}

#[test]
fn any_shape_fills_the_input() {
    let sizes = [(1, 1), (1, 5000), (5000, 1), (63, 64), (64, 64), (65, 1000)];
    for mut input in geometries() {
        if input.resize.fill.is_some() {
            input.resize.fill = Some([200, 100, 50]);
        }
        for (width, height) in sizes {
            let pixels = RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50]));
            let small = fit(&picture(pixels), &input);
            assert_eq!(small.len(), input.bytes());
            assert!(small.chunks(3).all(|p| p == [200, 100, 50]), "{width}x{height} {input:?}");
        }
    }
}

#[test]
fn a_letterbox_has_its_fill_beside_the_picture() {
    let resize = Resize {
        mode: ResizeMode::Letterbox,
        size: Size::Side(8),
        filter: Filter::Bilinear,
        antialias: true,
        fill: Some([1, 2, 3]),
    };
    let input = InputSpec { height: 8, width: 8, channels: 3, resize, crop: Crop::None };
    let pixels = RgbImage::from_pixel(16, 8, image::Rgb([200, 100, 50]));
    let small = fit(&picture(pixels), &input);
    let rows: Vec<&[u8]> = small.chunks(24).map(|row| &row[..3]).collect();
    let (fill, own) = (&[1, 2, 3][..], &[200, 100, 50][..]);
    assert_eq!(rows, [fill, fill, own, own, own, own, fill, fill]);
}

#[test]
fn a_picture_of_the_input_size_is_itself() {
    let pixels = coloured(24, 24);
    for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos, Filter::Nearest] {
        let mut input = InputSpec::centre_of(24, 24, 24);
        input.resize.filter = filter;
        assert!(fit(&picture(pixels.clone()), &input) == *pixels.as_raw(), "{filter:?}");
    }
}
