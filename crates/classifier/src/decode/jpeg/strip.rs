//! JPEG data inside a TIFF: a strip or tile, whose tables may stand elsewhere in the file (Adobe
//! Photoshop TIFF technical notes of 2002).

use super::turbo::{self, Colour, Report, Stream};
use super::{cost, refusal, segments};
use crate::decode::cost::Cost;
use crate::decode::format::Format;
use crate::decode::limits::Limits;
use crate::error::ClassifyError;

/// Which samples of a strip are wanted; the TIFF says what they are, not the strip's own markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum StripColour {
    /// The components as they are stored.
    Stored,
    /// RGB from three components that are YCbCr.
    FromYcbcr,
    /// The components as they are stored, those with fewer samples repeated and not smoothed.
    Repeated,
}

/// A strip whose header was read.
#[derive(Debug)]
pub(in crate::decode) struct Strip<'a> {
    stream: Stream<'a>,
    colour: Colour,
    report: Report,
    limits: Limits,
}

impl<'a> Strip<'a> {
    /// Read the header. `tables` is the value of the tag `JPEGTables`, or empty.
    pub(in crate::decode) fn open(
        tables: &'a [u8],
        data: &'a [u8],
        colour: StripColour,
        limits: &Limits,
    ) -> Result<Self, ClassifyError> {
        let stream = Stream { tables, data };
        let colour = match colour {
            StripColour::Stored => Colour::Stored,
            StripColour::FromYcbcr => Colour::FromYcbcr,
            StripColour::Repeated => Colour::Repeated,
        };
        let report = turbo::header(stream, colour, 1)
            .map_err(|fault| refusal(fault, Format::Tiff, limits))?;
        Ok(Self { stream, colour, report, limits: *limits })
    }

    /// Width and height in pixels, which may differ from what the TIFF says.
    pub(in crate::decode) fn size(&self) -> (u32, u32) {
        (self.report.width, self.report.height)
    }

    /// Samples of a decoded pixel, 8 bits each.
    pub(in crate::decode) fn samples(&self) -> u32 {
        self.report.out_components
    }

    /// What [`Strip::decode`] takes, its result included.
    pub(in crate::decode) fn cost(&self) -> Cost {
        let data = self.stream.data;
        let scans = if self.report.multiple_scans == 0 { 1 } else { segments::count_scans(data) };
        cost::of(&self.report, data.len(), scans, 1)
    }

    /// The samples, row by row without padding; samples wider than 8 bits are scaled by their range.
    pub(in crate::decode) fn decode(self) -> Result<Vec<u8>, ClassifyError> {
        let bytes = self.report.out_bytes();
        self.limits.check_bytes(self.cost().peak_bytes)?;
        let memory = self.limits.max_decoded_bytes.saturating_sub(bytes);
        let mut samples = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        turbo::decode(self.stream, self.colour, 1, memory, &mut samples)
            .map_err(|fault| refusal(fault, Format::Tiff, &self.limits))?;
        Ok(samples)
    }
}
