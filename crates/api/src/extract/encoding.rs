//! Content encodings: gzip and deflate bodies, unpacked under the limit of a plain body.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, header};

use crate::problem::Problem;

/// Room for so many more bytes is made at a time.
const CHUNK: usize = 64 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    /// As `Content-Encoding` says; one encoding at most.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        let name = value.to_str().unwrap_or("unknown").trim();
        let name = if values.next().is_some() { "a list" } else { name };
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            _ => Err(Problem::UnsupportedEncoding(name.chars().take(100).collect())),
        }
    }

    /// The plain body. No more than `limit` bytes of it are ever made, whatever `body` unpacks to.
    pub(crate) fn unpack(self, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
        match self {
            // HTTP's deflate is zlib's format (RFC 9110, 8.4.1.2); some clients leave out its header.
            Self::Deflate => inflate(&body, limit),
            Self::Gzip => gunzip(&body, limit),
            Self::Identity => Ok(body),
        }
    }
}

/// RFC 1950: method 8, and a check number of 5 bits.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// One member or several; each has a checksum and its length behind it.
fn gunzip(body: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(limit as u64 + 1);
    decoder.read_to_end(&mut plain).map_err(|_| Problem::InvalidEncoding)?;
    if plain.len() > limit { Err(Problem::PayloadTooLarge { limit }) } else { Ok(plain.into()) }
}

/// By hand, because flate2's readers take the end of the body for the end of the stream.
fn inflate(body: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut inflate = Decompress::new(has_zlib_header(body));
    let mut plain = Vec::new();
    loop {
        let (before_in, before_out) = (inflate.total_in(), plain.len());
        plain.reserve(CHUNK);
        let rest = usize::try_from(before_in).ok().and_then(|read| body.get(read..));
        let status = inflate
            .decompress_vec(rest.unwrap_or_default(), &mut plain, FlushDecompress::None)
            .map_err(|_| Problem::InvalidEncoding)?;
        if plain.len() > limit {
            return Err(Problem::PayloadTooLarge { limit });
        }
        match status {
            Status::StreamEnd if inflate.total_in() == body.len() as u64 => return Ok(plain.into()),
            Status::Ok | Status::BufError
                if inflate.total_in() > before_in || plain.len() > before_out => {}
            _ => return Err(Problem::InvalidEncoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_zlib_and_bare_deflate_are_unpacked() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"picture").unwrap();
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(b"picture").unwrap();
        let two_members = [gzip(b"pict"), gzip(b"ure")].concat();
        for (encoding, body) in [
            (Encoding::Identity, b"picture".to_vec()),
            (Encoding::Gzip, gzip(b"picture")),
            (Encoding::Gzip, two_members),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, deflate.finish().unwrap()),
        ] {
            assert_eq!(encoding.unpack(body.into(), 7).unwrap(), "picture", "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        let refused = Encoding::Gzip.unpack(bomb.into(), 1 << 20);
        assert!(matches!(refused, Err(Problem::PayloadTooLarge { limit: 0x10_0000 })));
        assert!(Encoding::Gzip.unpack(gzip(&[7; 100]).into(), 100).is_ok());
        assert!(Encoding::Gzip.unpack(gzip(&[7; 101]).into(), 100).is_err());
    }

    #[test]
    fn a_broken_body_is_refused() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"a picture that is longer than the header of its encoding").unwrap();
        let zlib = zlib.finish().unwrap();
        let gzip = gzip(b"a picture that is longer than the header of its encoding");
        for (encoding, whole) in [(Encoding::Gzip, gzip), (Encoding::Deflate, zlib)] {
            for cut in 1..whole.len() {
                let part = Bytes::copy_from_slice(&whole[..cut]);
                let refused = encoding.unpack(part, 1000);
                assert!(matches!(refused, Err(Problem::InvalidEncoding)), "{encoding:?} {cut}");
            }
            let longer = [&whole[..], b"more"].concat();
            assert!(encoding.unpack(longer.into(), 1000).is_err(), "{encoding:?}");
        }
        let text = Bytes::from_static(b"no encoding at all");
        assert!(matches!(Encoding::Gzip.unpack(text, 1000), Err(Problem::InvalidEncoding)));
    }
}
