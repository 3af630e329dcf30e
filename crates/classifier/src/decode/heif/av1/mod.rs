//! AV1 pictures, by `rav1d` (the port of dav1d to Rust).

#[allow(unsafe_code)] // The one binding; it holds nothing else.
mod binding;
mod contained;
mod units;

use super::colour::Colour;
use super::frame::{Chroma, Frame, Samples, Shape};
use super::layout::Tile;
use crate::decode::isobmff::Fault;
use binding::{Layout, Picture, Row, Sequence, Trouble};
use contained::{Failed, contained};

/// The most frames in one coded picture that are decoded: its four layers, and some that are not shown. Each
/// costs as much as a picture, and a hidden one takes few bytes.
const MAX_FRAMES: usize = 8;

/// What the sequence header of a tile says.
pub(super) fn shape(tile: &Tile<'_>) -> Result<Shape, Fault> {
    // The configuration's four bytes may be followed by the sequence header; the data must hold it.
    let Some(header) = units::sequence_header(&tile.data)? else { return Err(Fault::Corrupt) };
    if units::frames(&tile.data)? > MAX_FRAMES {
        return Err(Fault::Unsupported("more than 8 frames in one picture"));
    }
    let header = header.to_vec();
    let sequence = contained(move || Sequence::read(&header)).map_err(fault)?;
    Ok(shape_of(&sequence.ok_or(Fault::Corrupt)?))
}

/// Decode a tile.
pub(super) fn decode(tile: &Tile<'_>) -> Result<Frame, Fault> {
    let announced = shape(tile)?;
    let pixels = announced.width.checked_mul(announced.height).ok_or(Fault::Corrupt)?;
    let data = tile.data.to_vec();
    let picture = contained(move || Picture::decode(&data, pixels)).map_err(fault)?;
    let picture = picture.map_err(|trouble| match trouble {
        Trouble::Corrupt => Fault::Corrupt,
        Trouble::Unsupported => Fault::Unsupported("this profile of AV1"),
    })?;
    let shape =
        Shape { width: picture.width(), height: picture.height(), ..shape_of(&picture.sequence()) };
    Ok(Frame { shape, samples: Box::new(picture) })
}

fn fault(failed: Failed) -> Fault {
    match failed {
        Failed::Panicked => Fault::Corrupt,
        Failed::NotTried => {
            Fault::Unsupported("AV1, whose decoder has failed too often since the start,")
        }
    }
}

impl Samples for Picture {
    fn read_row(&self, plane: usize, y: u32, row: &mut [u16]) -> Option<()> {
        match self.row(plane, y)? {
            Row::Bytes(samples) => {
                let samples = samples.get(..row.len())?;
                row.iter_mut().zip(samples).for_each(|(to, sample)| *to = u16::from(*sample));
            }
            Row::Words(samples) => row.copy_from_slice(samples.get(..row.len())?),
        }
        Some(())
    }
}

fn shape_of(sequence: &Sequence) -> Shape {
    let chroma = match sequence.layout {
        Layout::Monochrome => Chroma::Monochrome,
        Layout::Quarter => Chroma::Quarter,
        Layout::Half => Chroma::Half,
        Layout::Full => Chroma::Full,
    };
    let bits = u32::from(sequence.bits);
    Shape {
        width: sequence.width,
        height: sequence.height,
        luma_bits: bits,
        chroma_bits: bits,
        chroma,
        colour: Colour {
            primaries: sequence.primaries,
            matrix: sequence.matrix,
            full_range: sequence.full_range,
        },
    }
}
