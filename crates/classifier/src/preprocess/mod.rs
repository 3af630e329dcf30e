//! RGB pixels to the graph's input, as `bundle.json` describes it: the arithmetic of Pillow,
//! torchvision and `torch`.
//!
//! Only the pixels that the crop keeps are resampled, and EXIF orientation is applied on the way: a
//! filter's weights depend on the distance to the pixel's centre alone, so cropping or mirroring
//! first or last is the same.

mod axis;
mod fixed;
mod float;
mod plan;

use image::metadata::Orientation;

use crate::bundle::{Filter, InputSpec};
use crate::decode::{Header, Picture, Scale};
use axis::{Axis, Line};
use plan::{Plan, Span};

/// The picture at the input size: uint8 RGB `[height, width, 3]`.
#[must_use]
pub fn fit(picture: &Picture, input: &InputSpec) -> Vec<u8> {
    let Header { width, height, orientation, .. } = picture.header;
    let view = View::of(orientation);
    let upright = if view.turned { [height, width] } else { [width, height] };
    let plan = Plan::new(upright, input);
    let by = reduction(picture);
    let (stored_width, stored_height) = picture.pixels.dimensions();
    let stored =
        if view.turned { [stored_height, stored_width] } else { [stored_width, stored_height] };
    let [across, down] = [0, 1].map(|side| {
        let mirrored = view.mirrored[side];
        let line = Line { pixels: stored[side], full: upright[side], by, mirrored };
        Axis::new(line, plan.spans[side], input.resize)
    });
    let source = Source { pixels: picture.pixels.as_raw(), width: stored_width as usize };
    let is_float = !input.resize.antialias && input.resize.filter != Filter::Nearest;
    let small = if is_float {
        float::resample(&source, &across, &down, view.turned)
    } else {
        let columns_first = fixed::columns_first(upright, plan.resized());
        fixed::resample(&source, &across, &down, view.turned, columns_first)
    };
    framed(small, &plan, input)
}

/// By what a decoder has divided the picture's sides: 1, 2, 4 or 8; what is left over at the right and
/// bottom edges has become a pixel too.
fn reduction(picture: &Picture) -> u32 {
    let longer = picture.header.width.max(picture.header.height);
    let (width, height) = picture.pixels.dimensions();
    longer.div_ceil(width.max(height).max(1)).next_power_of_two()
}

/// How many pixels of a picture [`fit`] needs: twice those that it resizes to, so that a decoder's
/// own reduction is not seen. Without antialiasing, which picks single pixels, all of them.
#[must_use]
pub fn needed(header: &Header, input: &InputSpec) -> Scale {
    if !input.resize.antialias || input.resize.filter == Filter::Nearest {
        return Scale::Full;
    }
    let turned = View::of(header.orientation).turned;
    let swap = |[a, b]: [u32; 2]| if turned { [b, a] } else { [a, b] };
    let upright = swap([header.width, header.height]);
    let [width, height] = swap(Plan::new(upright, input).resized());
    Scale::AtLeast { width: width.saturating_mul(2), height: height.saturating_mul(2) }
}

/// How a stored picture becomes an upright one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    /// Whether the upright picture's rows are the stored one's columns.
    turned: bool,
    /// Whether its x and its y run against the stored line that they are on.
    mirrored: [bool; 2],
}

impl View {
    fn of(orientation: Orientation) -> Self {
        let (turned, mirrored) = match orientation {
            Orientation::NoTransforms => (false, [false, false]),
            Orientation::FlipHorizontal => (false, [true, false]),
            Orientation::Rotate180 => (false, [true, true]),
            Orientation::FlipVertical => (false, [false, true]),
            Orientation::Rotate90FlipH => (true, [false, false]),
            Orientation::Rotate90 => (true, [true, false]),
            Orientation::Rotate270FlipH => (true, [true, true]),
            Orientation::Rotate270 => (true, [false, true]),
        };
        Self { turned, mirrored }
    }
}

/// A stored picture: uint8 RGB, row by row.
struct Source<'a> {
    pixels: &'a [u8],
    width: usize,
}

/// `small` where the plan puts it; the rest is filled.
fn framed(small: Vec<u8>, plan: &Plan, input: &InputSpec) -> Vec<u8> {
    if small.len() == input.bytes() {
        return small;
    }
    let fill = input.resize.fill.unwrap_or_default();
    let mut framed = fill.repeat(input.height as usize * input.width as usize);
    let [Span { at: left, count: width, .. }, Span { at: top, .. }] = plan.spans;
    let stride = input.width as usize * 3;
    let rows = framed.chunks_exact_mut(stride.max(1)).skip(top as usize);
    for (to, from) in rows.zip(small.chunks_exact((width as usize * 3).max(1))) {
        to[left as usize * 3..][..from.len()].copy_from_slice(from);
    }
    framed
}

#[cfg(test)]
mod tests;
