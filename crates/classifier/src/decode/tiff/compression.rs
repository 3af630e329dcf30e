//! A strip or tile as a stream of uncompressed bytes.

use std::borrow::Cow;
use std::io::{self, Cursor, Read};

use flate2::bufread::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;

use super::fax::{Rows, Scheme};
use crate::decode::lzw::{Lzw, Order};

/// How strips and tiles are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Fax(Scheme),
    Lzw,
    Deflate,
    PackBits,
    Zstd,
    Jpeg,
    /// JPEG as TIFF 6.0, section 22, has it: tables and scan data in different places of the file.
    OldJpeg,
}

/// The largest window that libzstd's decoder takes unless told otherwise.
const ZSTD_WINDOW: u64 = 128 << 20;

impl Compression {
    /// The compression of a number in the tag `Compression`; `t4_options` belong to Group 3. The
    /// error names what is not supported. That uncompressed mode may occur is passed over: where it does,
    /// its code is in no table.
    pub(super) fn read(number: u64, t4_options: u64) -> Result<Self, &'static str> {
        Ok(match number {
            1 => Self::None,
            2 => Self::Fax(Scheme::Aligned(8)),
            3 => Self::Fax(Scheme::Group3 { two_dimensional: t4_options & 1 != 0 }),
            4 => Self::Fax(Scheme::Group4),
            5 => Self::Lzw,
            6 => Self::OldJpeg,
            7 => Self::Jpeg,
            8 | 32946 | 50013 => Self::Deflate,
            32771 => Self::Fax(Scheme::Aligned(16)),
            32773 => Self::PackBits,
            32766 => return Err("NeXT compression"),
            32809 => return Err("ThunderScan compression"),
            34661 => return Err("JBIG compression"),
            34676 | 34677 => return Err("SGI LogLuv compression"),
            33003 | 33004 | 33005 | 34712 => return Err("JPEG 2000 compression"),
            34887 => return Err("LERC compression"),
            34892 => return Err("lossy JPEG of a DNG"),
            34933 => return Err("PNG compression"),
            22610 | 34934 => return Err("JPEG XR compression"),
            34925 => return Err("LZMA compression"),
            34926 | 50000 => Self::Zstd,
            34927 | 50001 => return Err("WebP compression"),
            50002 | 52546 => return Err("JPEG XL compression"),
            _ => return Err("an unknown compression"),
        })
    }

    /// Whether a predictor is undone behind it.
    pub(super) fn has_predictor(self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate | Self::Zstd)
    }

    /// Whether strips and tiles are JPEG data.
    pub(super) fn is_jpeg(self) -> bool {
        matches!(self, Self::Jpeg | Self::OldJpeg)
    }

    /// Whether codes stand for bytes, whatever these mean.
    pub(super) fn has_codes_of_bytes(self) -> bool {
        self.has_predictor() || self == Self::PackBits
    }

    /// Nanoseconds for a byte of packed data, which may stand for no pixel.
    pub(super) fn packed_byte_time(self) -> u64 {
        match self {
            Self::None | Self::Jpeg | Self::OldJpeg => 0,
            Self::Deflate | Self::PackBits => 5,
            Self::Lzw => 10,
            Self::Fax(_) | Self::Zstd => 20,
        }
    }

    /// The most bytes that a reader takes beside its data, for a strip or tile of `unpacked` bytes.
    pub(super) fn reader_bytes(self, unpacked: u64) -> u64 {
        match self {
            // The window holds what was unpacked, and is copied when it grows to twice its size.
            Self::Zstd => 3 * unpacked.min(ZSTD_WINDOW) + (2 << 20),
            // Windows of 32 KiB, and tables.
            _ => 128 << 10,
        }
    }

    /// The bytes of a strip or tile `width` pixels wide; JPEG has a decoder of its own. The error names
    /// what is not supported.
    pub(super) fn reader<'a>(
        self,
        data: Cow<'a, [u8]>,
        width: usize,
    ) -> Result<Box<dyn Read + 'a>, &'static str> {
        Ok(match self {
            Self::None | Self::Jpeg | Self::OldJpeg => Box::new(Cursor::new(data)),
            Self::Fax(scheme) => Box::new(Rows::new(data, scheme, width)),
            Self::Lzw => {
                let order = lzw_order(&data);
                Box::new(Lzw::tiff(each(data), order))
            }
            Self::Deflate => Box::new(ZlibDecoder::new(Cursor::new(data))),
            Self::PackBits => Box::new(PackBits { data: Cursor::new(data), run: Run::Copy(0) }),
            Self::Zstd => return zstd(data),
        })
    }
}

/// The window grows with what is unpacked, whatever the data says.
fn zstd<'a>(data: Cow<'a, [u8]>) -> Result<Box<dyn Read + 'a>, &'static str> {
    match StreamingDecoder::new_with_max_window_size(Cursor::new(data), ZSTD_WINDOW) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
            Err("Zstandard with a window of more than 128 MiB")
        }
        // Reading it is the error then.
        Err(_) => Ok(Box::new(io::empty())),
    }
}

/// Writers before TIFF 5.0 packed codes from the least significant bit on, and grew them later. Their
/// data begins with a clear code of these bits.
fn lzw_order(data: &[u8]) -> Order {
    match data {
        [0, second, ..] if second % 2 == 1 => Order::Least,
        _ => Order::Most,
    }
}

/// The bytes one after the other.
fn each(data: Cow<'_, [u8]>) -> impl Iterator<Item = u8> {
    (0..data.len()).map(move |at| data[at])
}

/// `PackBits`: TIFF 6.0, section 9.
struct PackBits<'a> {
    data: Cursor<Cow<'a, [u8]>>,
    run: Run,
}

enum Run {
    Copy(usize),
    Repeat(u8, usize),
}

impl Read for PackBits<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.run {
                Run::Copy(left) if *left > 0 => {
                    let most = (*left).min(to.len());
                    let read = self.data.read(&mut to[..most])?;
                    *left -= read;
                    return Ok(read);
                }
                Run::Repeat(byte, left) if *left > 0 => {
                    let written = (*left).min(to.len());
                    to[..written].fill(*byte);
                    *left -= written;
                    return Ok(written);
                }
                _ => {}
            }
            let mut byte = [0];
            if self.data.read(&mut byte)? == 0 {
                return Ok(0);
            }
            let length = usize::from(byte[0]);
            self.run = match length {
                0..128 => Run::Copy(length + 1),
                128 => Run::Copy(0),
                _ => {
                    self.data.read_exact(&mut byte)?;
                    Run::Repeat(byte[0], 257 - length)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packbits_are_the_specifications_example() {
        let packed = b"\xfe\xaa\x02\x80\x00\x2a\xfd\xaa\x03\x80\x00\x2a\x22\xf7\xaa";
        let mut bytes = Vec::new();
        let mut reader = Compression::PackBits.reader(Cow::Borrowed(packed), 1).unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        let expected = b"\xaa\xaa\xaa\x80\x00\x2a\xaa\xaa\xaa\xaa\x80\x00\x2a\x22\
                         \xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa";
        assert_eq!(bytes, expected);
    }
}
