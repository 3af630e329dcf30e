//! The binding to `re_rav1d`, whose interface is that of the C library dav1d. It holds nothing else.
//!
//! Invariants:
//! - A context is opened, used and closed within [`Picture::decode`], on one thread (`n_threads` = 1); its
//!   picture may be given to another thread.
//! - Data is copied into a buffer of the library, which owns it from then on; what is not taken is given back.
//! - A [`Picture`] holds the library's reference to its planes until it is dropped, and gives out slices of them
//!   only as long as it is borrowed. Its planes are `stride` bytes a row for as many rows as its layout says,
//!   of bytes for 8 bits and of aligned 16-bit words for more.
//! - The library's functions cannot unwind, so those that read data are called on threads of `contained.rs`,
//!   and fuzzed (tests/fuzz). Version 0.1.3 of this port is the one without the known end on a decoding error
//!   (rav1d issue 1497).

use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;

use re_rav1d::include::dav1d::data::Dav1dData;
use re_rav1d::include::dav1d::dav1d::{Dav1dContext, Dav1dLogger, Dav1dSettings};
use re_rav1d::include::dav1d::headers::{
    DAV1D_PIXEL_LAYOUT_I400, DAV1D_PIXEL_LAYOUT_I420, DAV1D_PIXEL_LAYOUT_I422, Dav1dSequenceHeader,
};
use re_rav1d::include::dav1d::picture::Dav1dPicture;
use re_rav1d::src::lib::{
    dav1d_close, dav1d_data_create, dav1d_data_unref, dav1d_default_settings, dav1d_get_picture,
    dav1d_open, dav1d_parse_sequence_header, dav1d_picture_unref, dav1d_send_data,
};

/// Why a picture cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Corrupt,
    Unsupported,
}

/// Which chroma samples there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Monochrome,
    /// 4:2:0.
    Quarter,
    /// 4:2:2.
    Half,
    /// 4:4:4.
    Full,
}

/// A sequence header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// Largest width of a frame.
    pub(super) width: u32,
    /// Largest height of a frame.
    pub(super) height: u32,
    pub(super) bits: u8,
    pub(super) layout: Layout,
    pub(super) primaries: u16,
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

impl Sequence {
    /// Read a unit that holds a sequence header.
    pub(super) fn read(unit: &[u8]) -> Option<Self> {
        let mut header = std::mem::MaybeUninit::<Dav1dSequenceHeader>::uninit();
        // SAFETY: `header` may be written to, and the pointer and length are those of `unit`.
        let result = unsafe {
            dav1d_parse_sequence_header(
                Some(NonNull::new(header.as_mut_ptr())?),
                Some(NonNull::from(unit).cast()),
                unit.len(),
            )
        };
        // SAFETY: the header is written whole where the result is 0.
        (result.0 == 0).then(|| Self::of(unsafe { header.assume_init_ref() }))
    }

    fn of(header: &Dav1dSequenceHeader) -> Self {
        Self {
            width: u32::try_from(header.max_width).unwrap_or(0),
            height: u32::try_from(header.max_height).unwrap_or(0),
            bits: 8 + 2 * header.hbd.min(2),
            layout: match header.layout {
                DAV1D_PIXEL_LAYOUT_I400 => Layout::Monochrome,
                DAV1D_PIXEL_LAYOUT_I420 => Layout::Quarter,
                DAV1D_PIXEL_LAYOUT_I422 => Layout::Half,
                _ => Layout::Full,
            },
            primaries: u16::try_from(header.pri).unwrap_or(2),
            matrix: u16::try_from(header.mtrx).unwrap_or(2),
            full_range: header.color_range != 0,
        }
    }
}

/// A decoded picture.
pub(super) struct Picture(Dav1dPicture);

// SAFETY: the library counts references to planes and headers atomically, and one thread has them at a time.
unsafe impl Send for Picture {}

/// The samples of one row, of which a picture of more than 8 bits has words.
pub(super) enum Row<'a> {
    Bytes(&'a [u8]),
    Words(&'a [u16]),
}

impl Picture {
    /// Decode the first shown frame of at most `max_pixels`.
    pub(super) fn decode(data: &[u8], max_pixels: u32) -> Result<Self, Trouble> {
        let context = Context::open(max_pixels)?;
        context.send(data)?;
        context.picture()
    }

    /// Width in pixels.
    pub(super) fn width(&self) -> u32 {
        u32::try_from(self.0.p.w).unwrap_or(0)
    }

    /// Height in pixels.
    pub(super) fn height(&self) -> u32 {
        u32::try_from(self.0.p.h).unwrap_or(0)
    }

    /// The sequence header that the picture was decoded with.
    pub(super) fn sequence(&self) -> Sequence {
        // SAFETY: a picture that was got from the library holds a reference to its sequence header.
        let header = self.0.seq_hdr.map(|header| unsafe { header.as_ref() });
        header.map_or(
            Sequence {
                width: 0,
                height: 0,
                bits: 8,
                layout: Layout::Monochrome,
                primaries: 2,
                matrix: 2,
                full_range: false,
            },
            Sequence::of,
        )
    }

    /// Row `y` of plane 0 (luma), 1 (Cb) or 2 (Cr).
    pub(super) fn row(&self, plane: usize, y: u32) -> Option<Row<'_>> {
        let picture = &self.0;
        let (across, down) = match (plane, picture.p.layout) {
            (0, _) => (0, 0),
            (1 | 2, DAV1D_PIXEL_LAYOUT_I420) => (1, 1),
            (1 | 2, DAV1D_PIXEL_LAYOUT_I422) => (1, 0),
            (1 | 2, layout) if layout != DAV1D_PIXEL_LAYOUT_I400 => (0, 0),
            _ => return None,
        };
        if y >= self.height().div_ceil(1 << down) {
            return None;
        }
        let samples = self.width().div_ceil(1 << across) as usize;
        let stride = *picture.stride.get(plane.min(1))?;
        let words = picture.p.bpc > 8;
        let bytes = if words { samples.checked_mul(2)? } else { samples };
        if usize::try_from(stride).ok()? < bytes {
            return None;
        }
        let start = (*picture.data.get(plane)?)?.cast::<u8>();
        // SAFETY: the plane has `stride` bytes for each of its rows, of which `y` is one, and as many of them
        // as its samples take are initialized. It lives as long as `self`.
        let row = unsafe { start.offset(stride.checked_mul(isize::try_from(y).ok()?)?) };
        Some(if words {
            let row = row.cast::<u16>();
            if !row.is_aligned() {
                return None;
            }
            // SAFETY: as above, and aligned.
            Row::Words(unsafe { slice::from_raw_parts(row.as_ptr(), samples) })
        } else {
            // SAFETY: as above.
            Row::Bytes(unsafe { slice::from_raw_parts(row.as_ptr(), samples) })
        })
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture was got from the library and is given back once.
        unsafe { dav1d_picture_unref(Some(NonNull::from(&mut self.0))) };
    }
}

struct Context(Dav1dContext);

impl Context {
    fn open(max_pixels: u32) -> Result<Self, Trouble> {
        let mut settings = std::mem::MaybeUninit::<Dav1dSettings>::uninit();
        let place = NonNull::new(settings.as_mut_ptr()).ok_or(Trouble::Unsupported)?;
        // SAFETY: `place` may be written to, and is written whole.
        let mut settings = unsafe {
            dav1d_default_settings(place);
            settings.assume_init()
        };
        settings.n_threads = 1;
        settings.max_frame_delay = 1;
        settings.all_layers = 0;
        settings.frame_size_limit = max_pixels;
        // SAFETY: without a callback nothing is called.
        settings.logger = unsafe { Dav1dLogger::new(None, None) };
        let mut context = None;
        // SAFETY: both may be read from and written to.
        let result = unsafe {
            dav1d_open(Some(NonNull::from(&mut context)), Some(NonNull::from(&mut settings)))
        };
        match context {
            Some(context) if result.0 == 0 => Ok(Self(context)),
            _ => Err(Trouble::Unsupported),
        }
    }

    fn send(&self, data: &[u8]) -> Result<(), Trouble> {
        let mut buffer = Dav1dData::default();
        // SAFETY: `buffer` may be written to.
        let to = unsafe { dav1d_data_create(Some(NonNull::from(&mut buffer)), data.len()) };
        if to.is_null() {
            return Err(Trouble::Corrupt);
        }
        // SAFETY: the buffer was made for as many bytes as `data` has, and nobody else has it.
        unsafe { to.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        // SAFETY: the context is open, and `buffer` may be read from and written to.
        let result = unsafe { dav1d_send_data(Some(self.0), Some(NonNull::from(&mut buffer))) };
        // SAFETY: what was not taken is given back; of a buffer that was taken nothing is left.
        unsafe { dav1d_data_unref(Some(NonNull::from(&mut buffer))) };
        check(result.0)
    }

    fn picture(&self) -> Result<Picture, Trouble> {
        let mut picture = Dav1dPicture::default();
        // SAFETY: the context is open, and `picture` may be written to.
        let result = unsafe { dav1d_get_picture(Some(self.0), Some(NonNull::from(&mut picture))) };
        check(result.0)?;
        if picture.seq_hdr.is_none() {
            return Err(Trouble::Corrupt);
        }
        Ok(Picture(picture))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is open, and closed once.
        unsafe { dav1d_close(Some(NonNull::from(&mut Some(self.0)))) };
    }
}

fn check(result: c_int) -> Result<(), Trouble> {
    match result {
        0 => Ok(()),
        _ if result == -libc::ENOPROTOOPT => Err(Trouble::Unsupported),
        _ => Err(Trouble::Corrupt),
    }
}
