//! A decoded picture of a codec, and how it is painted onto RGB or alpha.

use super::colour::Colour;
use crate::decode::isobmff::Fault;

/// How many chroma samples there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// None: grey.
    Monochrome,
    /// One for 2 × 2 pixels (4:2:0).
    Quarter,
    /// One for 2 × 1 pixels (4:2:2).
    Half,
    /// One for each pixel (4:4:4).
    Full,
}

impl Chroma {
    /// How much fewer samples than pixels there are, across and down, as shifts.
    pub(super) fn shifts(self) -> (u32, u32) {
        match self {
            Self::Quarter => (1, 1),
            Self::Half => (1, 0),
            Self::Monochrome | Self::Full => (0, 0),
        }
    }

    /// Samples of all planes for four pixels.
    pub(super) fn samples_of_four_pixels(self) -> u64 {
        match self {
            Self::Monochrome => 4,
            Self::Quarter => 6,
            Self::Half => 8,
            Self::Full => 12,
        }
    }
}

/// How the chroma of a pixel is found between samples: as the library does that is the format's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// The nearest sample, as libheif.
    Nearest,
    /// 9:3:3:1 of the four around it, as libavif.
    Bilinear,
}

/// What a codec's stream says of a picture before decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) luma_bits: u32,
    pub(super) chroma_bits: u32,
    pub(super) chroma: Chroma,
    pub(super) colour: Colour,
}

/// The samples of a decoded picture.
pub(super) trait Samples {
    /// Row `y` of plane 0 (luma), 1 (Cb) or 2 (Cr), from its left; as many samples as fit into `row`.
    fn read_row(&self, plane: usize, y: u32, row: &mut [u16]) -> Option<()>;
}

/// Rows of a canvas, `stride` bytes each.
pub(super) struct Band<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) stride: usize,
}

impl Band<'_> {
    /// Each row from its byte `start` on, at most `most` bytes of it.
    fn rows(&mut self, start: usize, most: usize) -> impl Iterator<Item = &mut [u8]> {
        let end = start.saturating_add(most).min(self.stride);
        let start = start.min(end);
        self.bytes
            .chunks_exact_mut(self.stride.max(1))
            .filter_map(move |row| row.get_mut(start..end))
    }
}

/// A decoded picture.
pub(super) struct Frame {
    pub(super) shape: Shape,
    pub(super) samples: Box<dyn Samples>,
}

impl Frame {
    /// Paint the picture as RGB onto a band of that, from pixel `x` on; what lies outside is cut off.
    pub(super) fn paint(
        &self,
        colour: Option<Colour>,
        upsampling: Upsampling,
        x: u32,
        band: &mut Band<'_>,
    ) -> Result<(), Fault> {
        let Shape { luma_bits, chroma_bits, chroma, .. } = self.shape;
        let conversion = colour.unwrap_or(self.shape.colour).conversion(luma_bits, chroma_bits)?;
        if conversion.is_identity() && chroma != Chroma::Full && chroma != Chroma::Monochrome {
            return Err(Fault::Unsupported("RGB with subsampled planes"));
        }
        let (x, width) = (x as usize, self.shape.width as usize);
        let width = width.min((band.stride / 3).saturating_sub(x));
        let mut luma = vec![0; width];
        let mut rows = ChromaRows::new(self, upsampling, width);
        for (to, row) in band.rows(x * 3, width * 3).zip(0..self.shape.height) {
            self.read(0, row, &mut luma)?;
            if chroma == Chroma::Monochrome {
                conversion.grey_row(&luma, to);
            } else {
                let [cb, cr] = rows.at(row)?;
                conversion.row(&luma, cb, cr, to);
            }
        }
        Ok(())
    }

    /// Paint luma as alpha of 0 to 255 onto a band of that, from pixel `x` on.
    pub(super) fn paint_alpha(&self, x: u32, band: &mut Band<'_>) -> Result<(), Fault> {
        let (x, width) = (x as usize, self.shape.width as usize);
        let width = width.min(band.stride.saturating_sub(x));
        let largest = (1u32 << self.shape.luma_bits) - 1;
        let mut luma = vec![0; width];
        for (to, row) in band.rows(x, width).zip(0..self.shape.height) {
            self.read(0, row, &mut luma)?;
            for (to, sample) in to.iter_mut().zip(&luma) {
                let scaled = (u32::from(*sample) * 255 + largest / 2) / largest;
                *to = u8::try_from(scaled).unwrap_or(u8::MAX);
            }
        }
        Ok(())
    }

    fn read(&self, plane: usize, y: u32, row: &mut [u16]) -> Result<(), Fault> {
        self.samples.read_row(plane, y, row).ok_or(Fault::Corrupt)
    }
}

/// Chroma of one row of pixels after the other.
struct ChromaRows<'a> {
    frame: &'a Frame,
    upsampling: Upsampling,
    near: Vec<u16>,
    far: Vec<u16>,
    rows: [Vec<u16>; 2],
}

impl<'a> ChromaRows<'a> {
    fn new(frame: &'a Frame, upsampling: Upsampling, width: usize) -> Self {
        let (across, _) = frame.shape.chroma.shifts();
        let samples = width.div_ceil(1 << across);
        let row = vec![0; width];
        Self {
            frame,
            upsampling,
            near: vec![0; samples],
            far: vec![0; samples],
            rows: [row.clone(), row],
        }
    }

    fn at(&mut self, y: u32) -> Result<[&[u16]; 2], Fault> {
        let shape = self.frame.shape;
        let (across, down) = shape.chroma.shifts();
        let last = (shape.height.div_ceil(1 << down)).saturating_sub(1);
        let near = y >> down;
        let far = match (self.upsampling, down) {
            (Upsampling::Bilinear, 1) if y & 1 == 1 => (near + 1).min(last),
            (Upsampling::Bilinear, 1) => near.saturating_sub(1),
            _ => near,
        };
        for (plane, row) in [1, 2].into_iter().zip(&mut self.rows) {
            if across == 0 {
                self.frame.read(plane, near, row)?;
                continue;
            }
            self.frame.read(plane, near, &mut self.near)?;
            if self.upsampling == Upsampling::Nearest {
                double(&self.near, row);
            } else {
                self.frame.read(plane, far, &mut self.far)?;
                interpolate(&self.near, &self.far, row);
            }
        }
        let [cb, cr] = &self.rows;
        Ok([cb, cr])
    }
}

fn double(samples: &[u16], row: &mut [u16]) {
    for (pair, sample) in row.chunks_mut(2).zip(samples) {
        pair.fill(*sample);
    }
}

fn interpolate(near: &[u16], far: &[u16], row: &mut [u16]) {
    let down = |at: usize| match (near.get(at), far.get(at)) {
        (Some(near), Some(far)) => 3 * u32::from(*near) + u32::from(*far),
        _ => 0,
    };
    let last = near.len().saturating_sub(1);
    for (at, pair) in row.chunks_mut(2).enumerate() {
        let here = 3 * down(at);
        let beside = [down(at.saturating_sub(1)), down((at + 1).min(last))];
        for (to, beside) in pair.iter_mut().zip(beside) {
            *to = u16::try_from((here + beside + 8) >> 4).unwrap_or(u16::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_repeated_or_interpolated() {
        let mut row = [0; 5];
        double(&[10, 20, 30], &mut row);
        assert_eq!(row, [10, 10, 20, 20, 30]);
        interpolate(&[0, 160, 0], &[0, 160, 0], &mut row);
        assert_eq!(row, [0, 40, 120, 120, 40]);
        interpolate(&[16, 16, 16], &[0, 0, 0], &mut row);
        assert_eq!(row, [12; 5]);
    }
}
