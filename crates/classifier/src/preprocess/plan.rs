//! Which pixels of the resized picture the input consists of.

use crate::bundle::{Crop, InputSpec, ResizeMode, Size};

/// Across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) spans: [Span; 2],
}

/// What the input shows of one side of the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The whole side, pixels.
    pub(super) resized: u32,
    /// The first pixel of it that is shown, and how many are.
    pub(super) first: u32,
    /// Pixels.
    pub(super) count: u32,
    /// Where in the input it begins; what is before and behind it is filled.
    pub(super) at: u32,
}

impl Plan {
    /// For an upright picture, `[width, height]`.
    pub(super) fn new(upright: [u32; 2], input: &InputSpec) -> Self {
        let [width, height] = upright.map(|side| side.max(1));
        let [tall, wide] = input.resize.size.sides();
        let boxed = [wide, tall];
        let resized = match (input.resize.mode, input.resize.size) {
            (ResizeMode::ShorterSide, Size::Side(side) | Size::Sides([side, _])) => {
                shorter_side([width, height], side)
            }
            (ResizeMode::Squash, _) => boxed,
            (ResizeMode::Letterbox, _) => contained([width, height], boxed),
        };
        let shown = [input.width, input.height];
        let span = |side: usize| {
            let (canvas, padding) = match input.resize.mode {
                ResizeMode::Letterbox => (boxed[side], centred(boxed[side], resized[side])),
                ResizeMode::ShorterSide | ResizeMode::Squash => (resized[side], 0),
            };
            let left = match input.crop {
                Crop::Center => centred(canvas, shown[side]),
                Crop::CenterFloor => canvas.saturating_sub(shown[side]) / 2,
                Crop::None => 0,
            };
            let first = left.saturating_sub(padding);
            let at = padding.saturating_sub(left);
            let count = (resized[side] - first).min(shown[side] - at);
            Span { resized: resized[side], first, count, at }
        };
        Self { spans: [span(0), span(1)] }
    }

    /// `[width, height]` before the crop.
    pub(super) fn resized(&self) -> [u32; 2] {
        self.spans.map(|span| span.resized)
    }
}

/// torchvision's `Resize(shorter)`: the longer side keeps the ratio, rounded down.
fn shorter_side([width, height]: [u32; 2], shorter: u32) -> [u32; 2] {
    let longer = |long: u32, short: u32| {
        let exact = u64::from(shorter) * u64::from(long) / u64::from(short);
        u32::try_from(exact).unwrap_or(u32::MAX)
    };
    if width <= height {
        [shorter, longer(height, width)]
    } else {
        [longer(width, height), shorter]
    }
}

/// Pillow's `ImageOps.contain`: as large as fits into `within`, the ratio kept, halves rounded to even.
fn contained([width, height]: [u32; 2], within: [u32; 2]) -> [u32; 2] {
    let ratio = |[width, height]: [u32; 2]| f64::from(width) / f64::from(height);
    let scaled = |part: u32, of: u32, side: u32| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // At most `side`.
        let rounded = (f64::from(part) / f64::from(of) * f64::from(side)).round_ties_even() as u32;
        rounded.max(1)
    };
    let (own, free) = (ratio([width, height]), ratio(within));
    if own > free {
        [within[0], scaled(height, width, within[0]).min(within[1])]
    } else if own < free {
        [scaled(width, height, within[1]).min(within[0]), within[1]]
    } else {
        within
    }
}

/// Where `part` begins in the middle of `whole`: `int(round((whole - part) / 2))`, as torchvision's
/// `CenterCrop` and Pillow's `ImageOps.pad` have it, with Python's rounding of halves to even.
fn centred(whole: u32, part: u32) -> u32 {
    let spare = whole.saturating_sub(part);
    let half = spare / 2;
    if spare % 2 == 1 { half + half % 2 } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Filter, Resize};

    #[test]
    fn sides_and_offsets_are_torchvisions() {
        assert_eq!(shorter_side([500, 375], 256), [341, 256]);
        assert_eq!(shorter_side([375, 500], 256), [256, 341]);
        assert_eq!(shorter_side([1000, 1], 64), [64_000, 64]);
        // Python: int(round(117 / 2)) == 58, int(round(119 / 2)) == 60; 119 // 2 == 59.
        for (crop, left) in [(Crop::Center, 60), (Crop::CenterFloor, 59)] {
            let plan = Plan::new([343, 224], &input(ResizeMode::ShorterSide, 224, crop));
            assert_eq!(plan.spans[0].first, left);
        }
        assert_eq!(centred(341, 224), 58);
        assert_eq!(centred(343, 224), 60);
        assert_eq!(centred(256, 224), 16);
    }

    fn input(mode: ResizeMode, size: u32, crop: Crop) -> InputSpec {
        let resize = Resize {
            mode,
            size: Size::Side(size),
            filter: Filter::Bilinear,
            antialias: true,
            fill: None,
        };
        InputSpec { height: 224, width: 224, channels: 3, resize, crop }
    }

    #[test]
    fn a_letterbox_is_centred_and_cropped_from_its_middle() {
        let all = Plan::new([500, 375], &input(ResizeMode::Letterbox, 224, Crop::None));
        let across = Span { resized: 224, first: 0, count: 224, at: 0 };
        assert_eq!(all.spans, [across, Span { resized: 168, first: 0, count: 168, at: 28 }]);
        let middle = Plan::new([500, 375], &input(ResizeMode::Letterbox, 256, Crop::Center));
        let across = Span { resized: 256, first: 16, count: 224, at: 0 };
        assert_eq!(middle.spans, [across, Span { resized: 192, first: 0, count: 192, at: 16 }]);
        let thin = Plan::new([5000, 1], &input(ResizeMode::Letterbox, 224, Crop::None));
        assert_eq!(thin.spans[1].count, 1);
    }

    #[test]
    fn squashing_forgets_the_ratio() {
        let plan = Plan::new([500, 100], &input(ResizeMode::Squash, 256, Crop::Center));
        let span = Span { resized: 256, first: 16, count: 224, at: 0 };
        assert_eq!(plan.spans, [span, span]);
    }
}
