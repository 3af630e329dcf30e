//! RGB pixels to the graph's input: torchvision's evaluation transform.
//!
//! `Resize(shorter, antialias=True)` and `CenterCrop` as torchvision 0.29 computes them, in one
//! pass: only the pixels that the crop keeps are resampled, and EXIF orientation is applied to the
//! small result. The filter is Pillow's convolution, whose weights depend on the distance to the
//! pixel's centre alone, so cropping first or last is the same.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use crate::bundle::InputSpec;
use crate::decode::{Header, Picture, Scale};

/// The picture at the input size: uint8 RGB `[height, width, 3]`.
#[must_use]
pub fn fit(picture: &Picture, input: &InputSpec) -> Vec<u8> {
    let Header { width, height, orientation, .. } = picture.header;
    let turned = swaps_sides(orientation);
    let upright = if turned { (height, width) } else { (width, height) };
    let window =
        Window::new(upright, input).as_stored(orientation, upright).divided(reduction(picture));
    let (to_width, to_height) =
        if turned { (input.height, input.width) } else { (input.width, input.height) };
    let small = resample(&picture.pixels, &window, (to_width, to_height), turned);
    upright_pixels(small, to_width, to_height, orientation)
}

/// By what a decoder has divided the picture's sides: 1, 2, 4 or 8; what is left over at the right and
/// bottom edges has become a pixel too.
fn reduction(picture: &Picture) -> u32 {
    let longer = picture.header.width.max(picture.header.height);
    let (width, height) = picture.pixels.dimensions();
    longer.div_ceil(width.max(height).max(1)).next_power_of_two()
}

/// How many pixels of a picture [`fit`] needs: twice those that it resizes to, so that a decoder's
/// own reduction is not seen.
#[must_use]
pub fn needed(header: &Header, input: &InputSpec) -> Scale {
    let (width, height) = (header.width.max(1), header.height.max(1));
    let (across, down) = resized((width, height), input.resize_shorter_side);
    Scale::AtLeast { width: across.saturating_mul(2), height: down.saturating_mul(2) }
}

/// The part of the picture that the crop keeps, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Window {
    /// The centre crop of the resized picture, seen from the picture itself.
    fn new((width, height): (u32, u32), input: &InputSpec) -> Self {
        let (resized_width, resized_height) = resized((width, height), input.resize_shorter_side);
        let scale_x = f64::from(width) / f64::from(resized_width);
        let scale_y = f64::from(height) / f64::from(resized_height);
        Self {
            left: f64::from(crop_offset(resized_width, input.width)) * scale_x,
            top: f64::from(crop_offset(resized_height, input.height)) * scale_y,
            width: f64::from(input.width) * scale_x,
            height: f64::from(input.height) * scale_y,
        }
    }

    /// The same window over a picture with sides divided by `by`.
    fn divided(self, by: u32) -> Self {
        let by = f64::from(by);
        let Self { left, top, width, height } = self;
        Self { left: left / by, top: top / by, width: width / by, height: height / by }
    }

    /// Rounding may put the window's edge a hair outside the picture.
    fn inside(self, width: u32, height: u32) -> Self {
        let (left, top) = (self.left.max(0.0), self.top.max(0.0));
        Self {
            left,
            top,
            width: self.width.min(f64::from(width) - left),
            height: self.height.min(f64::from(height) - top),
        }
    }

    /// First and number of the picture's rows that the window's `to_height` rows are made of.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped to the picture.
    fn rows(self, height: u32, to_height: u32) -> (u32, u32) {
        // The filter reaches one pixel of the result, or of the picture where that is larger.
        let reach = (self.height / f64::from(to_height)).max(1.0) + 1.0;
        let first = (self.top - reach).floor().max(0.0) as u32;
        let last = (self.top + self.height + reach).ceil().min(f64::from(height)) as u32;
        (first, last - first)
    }

    /// The same window before the orientation was applied; `(width, height)` is the upright size.
    fn as_stored(self, orientation: Orientation, (width, height): (u32, u32)) -> Self {
        let Self { left, top, width: w, height: h } = self;
        let from_right = f64::from(width) - left - w;
        let from_bottom = f64::from(height) - top - h;
        let (left, top) = match orientation {
            Orientation::NoTransforms => (left, top),
            Orientation::FlipHorizontal => (from_right, top),
            Orientation::Rotate180 => (from_right, from_bottom),
            Orientation::FlipVertical => (left, from_bottom),
            Orientation::Rotate90FlipH => (top, left),
            Orientation::Rotate90 => (top, from_right),
            Orientation::Rotate270FlipH => (from_bottom, from_right),
            Orientation::Rotate270 => (from_bottom, left),
        };
        let (width, height) = if swaps_sides(orientation) { (h, w) } else { (w, h) };
        Self { left, top, width, height }
    }
}

/// torchvision's `Resize(shorter)`: the longer side keeps the ratio, rounded down.
fn resized((width, height): (u32, u32), shorter: u32) -> (u32, u32) {
    let longer = |long: u32, short: u32| {
        let exact = u64::from(shorter) * u64::from(long) / u64::from(short);
        u32::try_from(exact).unwrap_or(u32::MAX)
    };
    if width <= height {
        (shorter, longer(height, width))
    } else {
        (longer(width, height), shorter)
    }
}

/// torchvision's `CenterCrop`: `int(round((size - crop) / 2))`, Python's round half to even.
fn crop_offset(size: u32, crop: u32) -> u32 {
    let spare = size.saturating_sub(crop);
    let half = spare / 2;
    if spare % 2 == 1 { half + half % 2 } else { half }
}

fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Pillow resizes the rows of the upright picture first and rounds to 8 bits between the two passes;
/// in the other order, one pixel in five comes out one level off. `turned` says that what were rows
/// upright are columns as stored, which the resizer takes first of its own accord.
fn resample(
    pixels: &RgbImage,
    window: &Window,
    (to_width, to_height): (u32, u32),
    turned: bool,
) -> Vec<u8> {
    let (width, height) = pixels.dimensions();
    let window = window.inside(width, height);
    let Ok(from) = TypedImageRef::<U8x3>::from_buffer(width, height, pixels.as_raw()) else {
        return Vec::new();
    };
    if turned {
        return resize(&from, &window, to_width, to_height);
    }
    let (first, rows) = window.rows(height, to_height);
    let strip = Window { top: f64::from(first), height: f64::from(rows), ..window };
    let narrow = resize(&from, &strip, to_width, rows);
    let Ok(narrow) = TypedImageRef::<U8x3>::from_buffer(to_width, rows, &narrow) else {
        return Vec::new();
    };
    let top = window.top - f64::from(first);
    let window = Window { left: 0.0, top, width: f64::from(to_width), ..window };
    resize(&narrow, &window, to_width, to_height)
}

/// Typed, so that the resizer's code is compiled for one kind of pixel instead of fifteen.
fn resize(
    from: &TypedImageRef<'_, U8x3>,
    window: &Window,
    to_width: u32,
    to_height: u32,
) -> Vec<u8> {
    let mut bytes = vec![0; to_width as usize * to_height as usize * 3];
    let Ok(mut to) = TypedImage::<U8x3>::from_buffer(to_width, to_height, &mut bytes) else {
        return Vec::new();
    };
    let Window { left, top, width, height } = *window;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height);
    let resized = Resizer::new().resize_typed(from, &mut to, Some(&options));
    debug_assert!(resized.is_ok(), "{window:?}: {resized:?}");
    bytes
}

fn upright_pixels(small: Vec<u8>, width: u32, height: u32, orientation: Orientation) -> Vec<u8> {
    if orientation == Orientation::NoTransforms {
        return small;
    }
    let Some(small) = RgbImage::from_raw(width, height, small) else { return Vec::new() };
    let mut small = DynamicImage::ImageRgb8(small);
    small.apply_orientation(orientation);
    small.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Interpolation;
    use crate::decode::Format;

    fn picture(pixels: RgbImage) -> Picture {
        let header = Header::new(Format::Png, pixels.dimensions());
        Picture { pixels, header }
    }

    fn spec(width: u32, height: u32, shorter: u32) -> InputSpec {
        let interpolation = Interpolation::BilinearAntialias;
        InputSpec { height, width, resize_shorter_side: shorter, interpolation }
    }

    #[test]
    fn sides_and_offsets_are_torchvisions() {
        assert_eq!(resized((500, 375), 256), (341, 256));
        assert_eq!(resized((375, 500), 256), (256, 341));
        assert_eq!(resized((1000, 1), 64), (64_000, 64));
        // Python: int(round(117 / 2)) == 58, int(round(119 / 2)) == 60.
        assert_eq!(crop_offset(341, 224), 58);
        assert_eq!(crop_offset(343, 224), 60);
        assert_eq!(crop_offset(256, 224), 16);
    }

    #[test]
    fn twice_the_resized_sides_are_needed() {
        let header = Header::new(Format::Jpeg, (4000, 3000));
        let scale = needed(&header, &spec(224, 224, 256));
        assert_eq!(scale, Scale::AtLeast { width: 682, height: 512 });
    }

    /// Odd spare pixels make the centre crop lopsided, which is where mirrored windows go wrong.
    #[test]
    fn turning_the_small_picture_equals_turning_the_large_one() {
        let input = spec(20, 16, 24);
        let pixels = RgbImage::from_fn(67, 45, |x, y| {
            image::Rgb([(x * 3 % 251) as u8, (y * 5 % 251) as u8, ((x * y) % 251) as u8])
        });
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let header = Header::new(Format::Png, pixels.dimensions());
            let stored =
                Picture { pixels: pixels.clone(), header: Header { orientation, ..header } };
            let mut upright = DynamicImage::ImageRgb8(pixels.clone());
            upright.apply_orientation(orientation);
            let upright = picture(upright.into_rgb8());
            let (late, early) = (fit(&stored, &input), fit(&upright, &input));
            assert_eq!(late.len(), input.bytes());
            let worst = late.iter().zip(&early).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 1, "orientation {exif}: worst difference {worst}");
        }
    }

    #[test]
    fn any_shape_fills_the_input() {
        let input = spec(64, 64, 64);
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (63, 64), (64, 64), (65, 1000)] {
            let pixels = RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50]));
            let small = fit(&picture(pixels), &input);
            assert_eq!(small.len(), input.bytes());
            assert!(small.chunks(3).all(|p| p == [200, 100, 50]), "{width}x{height}");
        }
    }
}
