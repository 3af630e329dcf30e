//! HEVC pictures, by crate `heic-decoder`.
//!
//! The crate is used below its own container reader (its feature `internals`, pinned to one version): tile by
//! tile, so that a picture of many tiles is never whole beside its RGB.

use heic_decoder::hevc::nal::{NAL_SPS, parse_nal_header};
use heic_decoder::hevc::params::{Sps, parse_sps};
use heic_decoder::isobmff::{HevcDecoderConfig, HevcNalArray, ResolvedImage};
use heic_decoder::{HeifError, decode_one_image};

use super::colour::Colour;
use super::frame::{Chroma, Frame, Samples, Shape};
use super::layout::Tile;
use crate::decode::isobmff::{Fault, Reader};

/// What the sequence parameter set of a tile says.
pub(super) fn shape(tile: &Tile<'_>) -> Result<Shape, Fault> {
    shape_of(&sequence_parameters(&configuration(tile.configuration)?)?)
}

/// Decode a tile.
pub(super) fn decode(tile: &Tile<'_>) -> Result<Frame, Fault> {
    let hevc_config = configuration(tile.configuration)?;
    let image = ResolvedImage { hevc_config, data: tile.data.to_vec() };
    let (parameters, picture) = decode_one_image(&image).map_err(|error| fault(&error))?;
    let shape = shape_of(&parameters)?;
    let [left, _, top, _] = parameters.conformance_window;
    let widths = [picture.y.width, picture.cb.width, picture.cr.width];
    let planes =
        [picture.y, picture.cb, picture.cr].map(heic_decoder::hevc::ctu::Plane::into_samples);
    Ok(Frame {
        shape,
        samples: Box::new(Planes { planes, widths, left, top, chroma: shape.chroma }),
    })
}

struct Planes {
    planes: [Vec<i32>; 3],
    widths: [usize; 3],
    /// Where the shown part begins, in luma samples.
    left: u32,
    top: u32,
    chroma: Chroma,
}

impl Samples for Planes {
    fn read_row(&self, plane: usize, y: u32, row: &mut [u16]) -> Option<()> {
        let (across, down) = if plane == 0 { (0, 0) } else { self.chroma.shifts() };
        let start = (y.checked_add(self.top >> down)? as usize)
            .checked_mul(*self.widths.get(plane)?)?
            .checked_add((self.left >> across) as usize)?;
        let samples = self.planes.get(plane)?.get(start..start.checked_add(row.len())?)?;
        for (to, sample) in row.iter_mut().zip(samples) {
            *to = u16::try_from(*sample).unwrap_or(0);
        }
        Some(())
    }
}

/// Read the parameter sets of an `hvcC` box (ISO/IEC 14496-15, 8.3.3.1).
fn configuration(content: &[u8]) -> Result<HevcDecoderConfig, Fault> {
    let mut reader = Reader::new(content);
    reader.take(21)?; // version, profile, level, formats and depths, which the parameter sets repeat
    let length_size_minus_one = reader.u8()? & 3;
    let mut arrays = Vec::new();
    for _ in 0..reader.u8()? {
        let nal_unit_type = reader.u8()? & 0x3F;
        let mut nalus = Vec::new();
        for _ in 0..reader.u16()? {
            let length = reader.u16()?;
            nalus.push(reader.take(usize::from(length))?.to_vec());
        }
        arrays.push(HevcNalArray { nal_unit_type, nalus });
    }
    Ok(HevcDecoderConfig { length_size_minus_one, arrays, ..HevcDecoderConfig::default() })
}

/// The parameters that [`decode_one_image`] takes: those of the first set of the base layer.
fn sequence_parameters(configuration: &HevcDecoderConfig) -> Result<Sps, Fault> {
    for unit in configuration.nalus_of_type(NAL_SPS) {
        let (header, payload) = parse_nal_header(unit).map_err(|error| fault(&error))?;
        if header.nal_unit_type == NAL_SPS && header.nuh_layer_id == 0 {
            let payload = heic_decoder::bitreader::strip_emulation_prevention(payload);
            return parse_sps(&payload).map_err(|error| fault(&error));
        }
    }
    Err(Fault::Corrupt)
}

fn shape_of(parameters: &Sps) -> Result<Shape, Fault> {
    let [left, right, top, bottom] = parameters.conformance_window;
    let shown = |side: u32, before: u32, after: u32| {
        side.checked_sub(before).and_then(|rest| rest.checked_sub(after)).ok_or(Fault::Corrupt)
    };
    let chroma = match parameters.chroma_format_idc {
        0 => Chroma::Monochrome,
        1 => Chroma::Quarter,
        2 => Chroma::Half,
        3 => Chroma::Full,
        _ => return Err(Fault::Corrupt),
    };
    let colour = parameters.color_info.map_or(Colour::UNSPECIFIED, |info| Colour {
        primaries: info.color_primaries,
        matrix: info.matrix_coefficients,
        full_range: info.full_range,
    });
    Ok(Shape {
        width: shown(parameters.pic_width_in_luma_samples, left, right)?,
        height: shown(parameters.pic_height_in_luma_samples, top, bottom)?,
        luma_bits: parameters.bit_depth_luma,
        chroma_bits: parameters.bit_depth_chroma,
        chroma,
        colour,
    })
}

fn fault(error: &HeifError) -> Fault {
    match error {
        HeifError::Unsupported(reason) => Fault::Unsupported(variant(reason)),
        _ => Fault::Corrupt,
    }
}

/// The variant that the library (of the pinned version) names in a sentence of its own.
fn variant(reason: &str) -> &'static str {
    match reason {
        "SPS: pcm_enabled_flag not supported" => "PCM coding",
        "SPS: temporal sub-layers not supported" => "HEVC with temporal layers",
        "SPS: separate colour planes not supported" => "HEVC with separate colour planes",
        "SPS: range extension coding tools not supported" => "HEVC with range extensions",
        "SPS: long-term reference pictures not supported" => "HEVC with long-term references",
        "PPS: multi-tile pictures not supported yet"
        | "decode: multi-tile pictures are not supported" => "HEVC with tiles",
        "decode: slices must cover complete CTU rows"
        | "decode: multiple slices require intra coding and disabled loop filters"
        | "decode_slice: multiple tiles/slice segments not supported" => "HEVC with several slices",
        "decode: non-IRAP slice NAL in a still image" => "an inter-coded picture",
        _ => "a coding tool of this HEVC stream",
    }
}
