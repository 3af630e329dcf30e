//! Crop (`clap`), rotation (`irot`) and mirroring (`imir`), in the order in which a file lists them.

use image::RgbImage;
use image::metadata::Orientation;

use crate::decode::isobmff::{Contained, Fault, Item, Reader};

/// The part of a stored picture that is shown, and how it is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// The shown part, in stored pixels.
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    turn: Turn,
}

/// A rotation by quarter turns with or without mirroring: the matrix from stored to shown directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn([[i8; 2]; 2]);

impl Default for View {
    fn default() -> Self {
        Self { x: 0, y: 0, width: 0, height: 0, turn: Turn([[1, 0], [0, 1]]) }
    }
}

impl View {
    /// A whole picture, upright.
    pub(super) fn of(width: u32, height: u32) -> Result<Self, Fault> {
        if width == 0 || height == 0 {
            return Err(Fault::Corrupt);
        }
        Ok(Self { width, height, ..Self::default() })
    }

    /// Apply the properties of an item in their order.
    pub(super) fn apply_properties(&mut self, item: &Item<'_, '_>) -> Result<(), Fault> {
        for property in item.properties() {
            let (Contained { code, mut content }, _) = property?;
            match &code {
                b"irot" => self.rotate(content.u8()? & 3),
                b"imir" => self.mirror(content.u8()? & 1),
                b"clap" => self.crop(content)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether an item's properties leave this view as it is.
    pub(super) fn is_kept_by(mut self, item: &Item<'_, '_>) -> Result<bool, Fault> {
        let before = self;
        self.apply_properties(item)?;
        Ok(self == before)
    }

    /// How the cropped picture is to be turned.
    pub(super) fn orientation(&self) -> Orientation {
        match self.turn.0 {
            [[0, -1], [1, 0]] => Orientation::Rotate90,
            [[-1, 0], [0, -1]] => Orientation::Rotate180,
            [[0, 1], [-1, 0]] => Orientation::Rotate270,
            [[-1, 0], [0, 1]] => Orientation::FlipHorizontal,
            [[1, 0], [0, -1]] => Orientation::FlipVertical,
            [[0, 1], [1, 0]] => Orientation::Rotate90FlipH,
            [[0, -1], [-1, 0]] => Orientation::Rotate270FlipH,
            _ => Orientation::NoTransforms,
        }
    }

    /// The shown part of a stored picture, not turned yet. It keeps the picture's memory.
    pub(super) fn cut(&self, picture: RgbImage) -> RgbImage {
        let (stored_width, stored_height) = picture.dimensions();
        if (self.width, self.height) == (stored_width, stored_height) {
            return picture;
        }
        let stride = stored_width as usize * 3;
        let (start, length) = (self.x as usize * 3, self.width as usize * 3);
        let mut bytes = picture.into_raw();
        for row in 0..self.height as usize {
            let from = (self.y as usize + row) * stride + start;
            bytes.copy_within(from..from + length, row * length);
        }
        bytes.truncate(self.height as usize * length);
        RgbImage::from_raw(self.width, self.height, bytes).unwrap_or_default()
    }

    /// Quarter turns against the clock.
    fn rotate(&mut self, quarters: u8) {
        for _ in 0..quarters {
            self.turn = self.turn.then([[0, 1], [-1, 0]]);
        }
    }

    /// 0 exchanges top and bottom, 1 left and right.
    fn mirror(&mut self, axis: u8) {
        self.turn = self.turn.then(if axis == 0 { [[1, 0], [0, -1]] } else { [[-1, 0], [0, 1]] });
    }

    /// Keep the clean aperture: its size, and the offset of its centre from the picture's, as fractions.
    fn crop(&mut self, mut aperture: Reader<'_>) -> Result<(), Fault> {
        let mut fraction = || Ok((aperture.i32()?, aperture.i32()?));
        let (width, height) = (fraction()?, fraction()?);
        let (offset_x, offset_y) = (fraction()?, fraction()?);
        let turned = self.turn.0[0][0] == 0;
        let (shown_width, shown_height) =
            if turned { (self.height, self.width) } else { (self.width, self.height) };
        let (left, wide) = aperture_span(shown_width, width, offset_x)?;
        let (top, high) = aperture_span(shown_height, height, offset_y)?;
        let (right, bottom) = (shown_width - left - wide, shown_height - top - high);
        // Shown directions are stored ones, exchanged where the picture is turned and reversed where the
        // matrix says so.
        let [across, down] = self.turn.0;
        let start = |sign: i8, near: u32, far: u32| if sign < 0 { far } else { near };
        let along_shown_x = (start(across[0] + across[1], left, right), wide);
        let along_shown_y = (start(down[0] + down[1], top, bottom), high);
        let ((x, width), (y, height)) =
            if turned { (along_shown_y, along_shown_x) } else { (along_shown_x, along_shown_y) };
        let (x, y) = (self.x + x, self.y + y);
        *self = Self { x, y, width, height, turn: self.turn };
        Ok(())
    }
}

impl Turn {
    fn then(self, next: [[i8; 2]; 2]) -> Self {
        let cell = |row: usize, column: usize| {
            next[row][0] * self.0[0][column] + next[row][1] * self.0[1][column]
        };
        Self([[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]])
    }
}

/// First pixel and length of the aperture along one side, as libheif rounds them; what lies outside of the
/// picture is cut off.
fn aperture_span(
    side: u32,
    (length, length_divisor): (i32, i32),
    (offset, offset_divisor): (i32, i32),
) -> Result<(u32, u32), Fault> {
    if length <= 0 || length_divisor <= 0 || offset_divisor <= 0 {
        return Err(Fault::Corrupt);
    }
    let (length, length_divisor) = (i128::from(length), i128::from(length_divisor));
    let (offset, offset_divisor) = (i128::from(offset), i128::from(offset_divisor));
    // offset + (side − 1) / 2 − (length − 1) / 2 = offset + (side − length) / 2, over a common divisor.
    let divisor = 2 * length_divisor * offset_divisor;
    let first =
        2 * length_divisor * offset + offset_divisor * (i128::from(side) * length_divisor - length);
    let first = first.div_euclid(divisor);
    let end =
        (first + (length + length_divisor - 1).div_euclid(length_divisor)).min(i128::from(side));
    let first = first.max(0);
    if first >= end {
        return Err(Fault::Corrupt);
    }
    let narrow = |value: i128| u32::try_from(value).map_err(|_| Fault::Corrupt);
    Ok((narrow(first)?, narrow(end - first)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aperture(numbers: [i32; 8]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    #[test]
    fn rotations_and_mirrors_add_up_to_one_orientation() {
        let mut view = View::of(4, 2).unwrap();
        view.rotate(1);
        assert_eq!(view.orientation(), Orientation::Rotate270);
        view.mirror(1);
        assert_eq!(view.orientation(), Orientation::Rotate270FlipH);
        view.mirror(1);
        view.rotate(3);
        assert_eq!(view.orientation(), Orientation::NoTransforms);
        view.mirror(0);
        assert_eq!(view.orientation(), Orientation::FlipVertical);
    }

    #[test]
    fn a_crop_before_and_after_a_rotation_is_one_of_stored_pixels() {
        // 10 × 6, of which the 4 × 2 at (5, 1) are shown.
        let bytes = aperture([4, 1, 2, 1, 2, 1, -1, 1]);
        let mut view = View::of(10, 6).unwrap();
        view.crop(Reader::new(&bytes)).unwrap();
        assert_eq!((view.x, view.y, view.width, view.height), (5, 1, 4, 2));
        // Turned against the clock the picture is 6 × 10, and stored right is shown up: its part of
        // 2 × 4 at (1, 1) ends one pixel left of the stored right edge.
        let bytes = aperture([2, 1, 4, 1, -1, 1, -2, 1]);
        let mut view = View::of(10, 6).unwrap();
        view.rotate(1);
        view.crop(Reader::new(&bytes)).unwrap();
        assert_eq!((view.x, view.y, view.width, view.height), (5, 1, 4, 2));
    }

    #[test]
    fn apertures_without_a_pixel_are_refused() {
        for numbers in [
            [0, 1, 2, 1, 0, 1, 0, 1],
            [4, 0, 2, 1, 0, 1, 0, 1],
            [4, 1, 2, 1, 100, 1, 0, 1],
            [4, 1, 2, 1, i32::MIN, 1, i32::MAX, 1],
        ] {
            let mut view = View::of(10, 6).unwrap();
            assert_eq!(view.crop(Reader::new(&aperture(numbers))), Err(Fault::Corrupt));
        }
    }
}
