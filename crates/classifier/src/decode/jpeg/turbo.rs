//! The binding to libjpeg-turbo; one of the modules with `unsafe`.
//!
//! All calls of libjpeg stand in `shim.c`, behind one function that takes a request and fills a
//! report. What this module promises it: both structures are laid out as in `shim.h`, the request's
//! pointers come from slices that outlive the call, and no other reference to `out` exists meanwhile.
//! What `shim.c` promises: it returns always (libjpeg's error jumps end inside it), keeps no pointer,
//! calls nothing of Rust, writes no more than `out_bytes` to `out`, and shares no state between calls,
//! so that threads may decode at the same time. The fuzz target `jpeg` looks for a way to break that.
#![allow(unsafe_code)]

// The crate is wanted for the library that it builds and links.
use turbojpeg_sys as _;

/// More scans than encoders make; each costs time, even an empty one.
pub(super) const MAX_SCANS: i32 = 100;

/// A picture, and tables that it needs but does not hold (JPEG in TIFF keeps them apart).
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream<'a> {
    /// Tables alone, or empty.
    pub(super) tables: &'a [u8],
    /// A whole file, or one that lacks tables.
    pub(super) data: &'a [u8],
}

/// Which samples are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// RGB; the file's markers say what it is made from.
    Rgb = 0,
    /// The components as they are stored.
    Stored = 1,
    /// RGB from three components that are YCbCr, whatever the file's markers say.
    FromYcbcr = 2,
    /// The components as they are stored, without smooth upsampling.
    Repeated = 3,
}

/// What the header says, and how large the output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Report {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) out_width: u32,
    pub(super) out_height: u32,
    pub(super) out_components: u32,
    pub(super) components: u32,
    /// Bits of a sample.
    pub(super) precision: u32,
    pub(super) lossless: u32,
    pub(super) multiple_scans: u32,
    pub(super) arithmetic: u32,
    /// Bytes that are kept until the last of several scans.
    pub(super) kept_bytes: u64,
    /// Bytes of working rows, an upper bound.
    pub(super) row_bytes: u64,
}

impl Report {
    /// Bytes of the output.
    pub(super) fn out_bytes(&self) -> u64 {
        u64::from(self.out_width) * u64::from(self.out_height) * u64::from(self.out_components)
    }
}

/// Why there are no pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not JPEG, or scan data is missing or broken.
    Corrupt,
    /// More memory than allowed.
    Memory,
    /// A variant that is not decoded, by name.
    Variant(&'static str),
}

/// As `struct glimpse_jpeg_request` in `shim.h`.
#[repr(C)]
struct Request {
    tables: *const u8,
    tables_bytes: usize,
    data: *const u8,
    data_bytes: usize,
    memory: usize,
    scans: i32,
    colour: i32,
    denominator: u32,
    out: *mut u8,
    out_bytes: usize,
}

unsafe extern "C" {
    fn glimpse_jpeg(request: *const Request, report: *mut Report) -> i32;
}

/// Read the header; the output's size is that at full scale divided by `denominator`, rounded up.
pub(super) fn header(
    stream: Stream<'_>,
    colour: Colour,
    denominator: u32,
) -> Result<Report, Fault> {
    call(stream, colour, denominator, 0, None)
}

/// Fill `out` with rows of 8-bit samples, which take as much as [`header`] said.
///
/// At most `memory` bytes are kept between scans.
pub(super) fn decode(
    stream: Stream<'_>,
    colour: Colour,
    denominator: u32,
    memory: u64,
    out: &mut [u8],
) -> Result<Report, Fault> {
    call(stream, colour, denominator, memory, Some(out))
}

fn call(
    stream: Stream<'_>,
    colour: Colour,
    denominator: u32,
    memory: u64,
    out: Option<&mut [u8]>,
) -> Result<Report, Fault> {
    let (out, out_bytes) =
        out.map_or((std::ptr::null_mut(), 0), |out| (out.as_mut_ptr(), out.len()));
    let request = Request {
        tables: stream.tables.as_ptr(),
        tables_bytes: stream.tables.len(),
        data: stream.data.as_ptr(),
        data_bytes: stream.data.len(),
        // 0 would mean no limit; a C `long` holds no more than this.
        memory: usize::try_from(memory.clamp(1, i64::MAX as u64)).unwrap_or(usize::MAX >> 1),
        scans: MAX_SCANS,
        colour: colour as i32,
        denominator,
        out,
        out_bytes,
    };
    let mut report = Report::default();
    // SAFETY: both structures are laid out as `shim.h` declares them; the slices behind the request's
    // pointers are borrowed until after the call, `out` exclusively.
    let outcome = unsafe { glimpse_jpeg(&raw const request, &raw mut report) };
    outcome_of(outcome).map(|()| report)
}

/// The outcomes of `shim.h`.
fn outcome_of(outcome: i32) -> Result<(), Fault> {
    Err(match outcome {
        0 => return Ok(()),
        2 => Fault::Memory,
        3 => Fault::Variant("more than 100 scans"),
        10 => Fault::Variant("a height that is defined after the first scan (DNL)"),
        11 => Fault::Variant("hierarchical coding"),
        12 => Fault::Variant("lossless arithmetic coding"),
        13 => Fault::Variant("JPEG-LS"),
        14 => Fault::Variant("this number of bits per sample"),
        15 => Fault::Variant("this number or kind of colour components"),
        16 => Fault::Variant("fractional sampling factors"),
        _ => Fault::Corrupt,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// The sizes that a 64-bit C compiler gives the structures of `shim.h`.
    #[test]
    fn structures_are_laid_out_as_in_c() {
        assert_eq!(size_of::<Request>(), 72);
        assert_eq!(offset_of!(Request, denominator), 48);
        assert_eq!(offset_of!(Request, out), 56);
        assert_eq!(size_of::<Report>(), 56);
        assert_eq!(offset_of!(Report, kept_bytes), 40);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_not_overrun() {
        let picture = include_bytes!("fixtures/grey-9x7.jpg");
        let stream = Stream { tables: &[], data: picture };
        let report = header(stream, Colour::Rgb, 1).unwrap();
        assert_eq!((report.out_width, report.out_height, report.out_bytes()), (9, 7, 9 * 7 * 3));
        let mut out = [1; 9 * 7 * 3];
        let short = 9 * 7 * 3 - 1;
        assert_eq!(decode(stream, Colour::Rgb, 1, 1 << 20, &mut out[..short]), Err(Fault::Corrupt));
        assert_eq!(out, [1; 9 * 7 * 3]);
        assert_eq!(decode(stream, Colour::Rgb, 1, 1 << 20, &mut out), Ok(report));
        assert_ne!(out, [1; 9 * 7 * 3]);
    }
}
