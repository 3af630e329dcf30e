//! The open bitstream units that AV1 data consists of (AV1 specification, 5.3).

use crate::decode::isobmff::{Fault, Reader};

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

struct Unit<'a> {
    kind: u8,
    /// With its header.
    bytes: &'a [u8],
}

/// The first sequence header, with its unit's header.
pub(super) fn sequence_header(data: &[u8]) -> Result<Option<&[u8]>, Fault> {
    for unit in units(data) {
        let unit = unit?;
        if unit.kind == SEQUENCE_HEADER {
            return Ok(Some(unit.bytes));
        }
    }
    Ok(None)
}

/// How many frames the data codes, shown or not.
pub(super) fn frames(data: &[u8]) -> Result<usize, Fault> {
    let kinds = units(data).map(|unit| unit.map(|unit| unit.kind));
    kinds
        .filter(|kind| !matches!(kind, Ok(kind) if ![FRAME_HEADER, FRAME].contains(kind)))
        .try_fold(0, |count, kind| kind.map(|_| count + 1))
}

fn units(data: &[u8]) -> impl Iterator<Item = Result<Unit<'_>, Fault>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = unit(rest);
        rest = unit.as_ref().map_or(&[], |unit| &rest[unit.bytes.len()..]);
        Some(unit)
    })
}

fn unit(data: &[u8]) -> Result<Unit<'_>, Fault> {
    let mut reader = Reader::new(data);
    let header = reader.u8()?;
    if header >> 2 & 1 == 1 {
        reader.u8()?; // temporal and spatial layer
    }
    if header >> 1 & 1 == 1 {
        let length = variable_length(&mut reader)?;
        reader.take(length)?;
    } else {
        reader.take(reader.rest().len())?;
    }
    let bytes = &data[..data.len() - reader.rest().len()];
    Ok(Unit { kind: header >> 3 & 15, bytes })
}

/// A number in groups of seven bits, the lowest first.
fn variable_length(reader: &mut Reader<'_>) -> Result<usize, Fault> {
    let mut number = 0u64;
    for shift in (0..56).step_by(7) {
        let byte = reader.u8()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte >> 7 == 0 {
            return usize::try_from(number).map_err(|_| Fault::Corrupt);
        }
    }
    Err(Fault::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_headers_and_frames_are_found() {
        // A delimiter, a sequence header of two bytes, a frame of one, and a frame without a length.
        let data = [0x12, 0, 0x0A, 2, 7, 8, 0x32, 1, 9, 0x30, 1, 2, 3];
        assert_eq!(sequence_header(&data), Ok(Some(&data[2..6])));
        assert_eq!(frames(&data), Ok(2));
    }

    #[test]
    fn units_that_are_longer_than_the_data_are_refused() {
        assert_eq!(frames(&[0x32, 4, 1, 2, 3]), Err(Fault::Corrupt));
        assert_eq!(frames(&[0x32, 0x80]), Err(Fault::Corrupt));
        assert_eq!(sequence_header(&[0x36]), Err(Fault::Corrupt));
    }
}
