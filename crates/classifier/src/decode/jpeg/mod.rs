//! JPEG (ITU-T T.81) through libjpeg-turbo: the pixels that Pillow and the browsers give.
//!
//! A large picture is decoded at 1/2, 1/4 or 1/8 in the DCT domain where fewer pixels are wanted.
//! Missing or broken scan data is refused; junk between segments and a missing end marker are not.

mod cost;
mod segments;
mod strip;
mod turbo;

use image::RgbImage;
use image::metadata::Orientation;

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::{Decoder, orientation};
use crate::error::ClassifyError;
pub(super) use strip::{Strip, StripColour};
use turbo::{Colour, Fault, Report, Stream};

/// A JPEG file whose header was read.
pub(super) struct Jpeg<'a> {
    stream: Stream<'a>,
    report: Report,
    header: Header,
    scans: u64,
    limits: Limits,
}

/// Read the header of a JPEG file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<Jpeg<'a>, ClassifyError> {
    let stream = Stream { tables: &[], data: encoded };
    let report = turbo::header(stream, Colour::Rgb, 1)
        .map_err(|fault| refusal(fault, Format::Jpeg, limits))?;
    let size = (report.width, report.height);
    let header =
        Header { orientation: stated_orientation(encoded), ..Header::new(Format::Jpeg, size) };
    let scans = if report.multiple_scans == 0 { 1 } else { segments::count_scans(encoded) };
    Ok(Jpeg { stream, report, header, scans, limits: *limits })
}

impl Decoder for Jpeg<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, scale: Scale) -> Cost {
        let denominator = denominator(&self.report, scale);
        cost::of(&self.report, self.stream.data.len(), self.scans, denominator)
    }

    fn decode(self: Box<Self>, scale: Scale) -> Result<RgbImage, ClassifyError> {
        let denominator = denominator(&self.report, scale);
        let Report { width, height, .. } = self.report;
        let mut pixels = RgbImage::new(width.div_ceil(denominator), height.div_ceil(denominator));
        let memory = self.limits.max_decoded_bytes.saturating_sub(pixels.as_raw().len() as u64);
        turbo::decode(self.stream, Colour::Rgb, denominator, memory, &mut pixels)
            .map_err(|fault| refusal(fault, Format::Jpeg, &self.limits))?;
        Ok(pixels)
    }
}

/// From the first EXIF segment, else from XMP.
fn stated_orientation(encoded: &[u8]) -> Orientation {
    let content = |prefix: &'static [u8]| {
        let app1 = segments::before_scans(encoded).filter(|(marker, _)| *marker == 0xe1);
        app1.filter_map(move |(_, content)| content.strip_prefix(prefix))
    };
    let exif = content(b"Exif\0\0").next();
    orientation::from_metadata(exif, content(b"http://ns.adobe.com/xap/1.0/\0").last())
}

/// The largest of 1, 2, 4 and 8 by which the picture's sides may be divided.
fn denominator(report: &Report, scale: Scale) -> u32 {
    let Scale::AtLeast { width, height } = scale else { return 1 };
    let leaves_enough = |by: &u32| report.width / by >= width && report.height / by >= height;
    // Lossless coding knows no DCT.
    if report.lossless != 0 { 1 } else { [8, 4, 2].into_iter().find(leaves_enough).unwrap_or(1) }
}

fn refusal(fault: Fault, format: Format, limits: &Limits) -> ClassifyError {
    let format = format.name();
    match fault {
        Fault::Corrupt => ClassifyError::Corrupt { format },
        Fault::Memory => ClassifyError::TooMuchMemory { limit: limits.max_decoded_bytes },
        Fault::Variant(variant) => ClassifyError::UnsupportedVariant { format, variant },
    }
}

#[cfg(test)]
mod tests;
