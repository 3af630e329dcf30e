//! PNG (W3C, third edition) through crate `png`, which gets only the chunks that make pixels.
//!
//! Profiles, text and later frames are never unpacked, the checksums of chunks with pixels are not checked,
//! and the end chunk may be missing: what Pillow shows is shown. Pixel data that is missing, or whose own
//! checksum is wrong, is refused. Orientation is read from `eXIf`, ImageMagick's raw EXIF profile or XMP,
//! before and after the pixels.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::ZlibDecoder;
use image::RgbImage;
use image::metadata::Orientation;
use png::{BitDepth, ColorType, DecodeOptions, InterlaceInfo, Transformations};

use super::cost::Cost;
use super::format::Format;
use super::limits::Limits;
use super::picture::{Header, Scale};
use super::rgb::{self, Layout};
use super::{Decoder, corrupt, orientation};
use crate::error::ClassifyError;

const SIGNATURE_BYTES: usize = 8;

/// Most bytes of unpacked metadata; Pillow's limit.
const MAX_TEXT: u64 = 1 << 20;

/// A PNG file whose header was read.
pub(super) struct Png<'a> {
    reader: png::Decoder<Pieces<'a>>,
    header: Header,
    row_bytes: u64,
    interlaced: bool,
}

/// Read the header of a PNG file.
pub(super) fn open<'a>(encoded: &'a [u8], limits: &Limits) -> Result<Png<'a>, ClassifyError> {
    let refused = |_| corrupt(Format::Png);
    let chunks = Chunks::read(encoded);
    let mut options = DecodeOptions::default();
    options.set_ignore_crc(true);
    options.set_ignore_adler32(false);
    let mut reader = png::Decoder::new_with_options(Pieces::new(chunks.pixels), options);
    reader.set_limits(png::Limits {
        bytes: usize::try_from(limits.max_decoded_bytes).unwrap_or(usize::MAX),
    });
    reader.set_transformations(Transformations::EXPAND);
    let info = reader.read_header_info().map_err(refused)?;
    let (row_bytes, interlaced) = (info.raw_row_length() as u64, info.interlaced);
    let header = Header {
        orientation: chunks.metadata.orientation(),
        frames: chunks.frames,
        ..Header::new(Format::Png, (info.width, info.height))
    };
    Ok(Png { reader, header, row_bytes, interlaced })
}

impl Decoder for Png<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn cost(&self, _scale: Scale) -> Cost {
        // Rows are unfiltered in a window of some of them, beside zlib's; each is expanded to up to 8
        // bytes a pixel and scaled to 4.
        // Rows of interlaced passes are kept once more before they are put in their places.
        let kept = if self.interlaced { 6 } else { 4 };
        let rows = kept * self.row_bytes + 12 * u64::from(self.header.width);
        let pixels = self.header.pixels();
        // Paeth's filter of every byte; pixels of interlaced rows are written one by one.
        let unpacked = self.row_bytes.saturating_mul(self.header.height.into());
        let scattered = if self.interlaced { pixels } else { 0 };
        Cost::new(3 * pixels + rows + (512 << 10), pixels, 5).and(unpacked, 2).and(scattered, 8)
    }

    fn decode(self: Box<Self>, _scale: Scale) -> Result<RgbImage, ClassifyError> {
        let refused = |_| corrupt(Format::Png);
        let mut reader = self.reader.read_info().map_err(refused)?;
        let (colour, depth) = reader.output_color_type();
        let layout = match colour {
            ColorType::Grayscale => Layout::Grey,
            ColorType::GrayscaleAlpha => Layout::GreyAlpha,
            ColorType::Rgb => Layout::Rgb,
            ColorType::Rgba => Layout::Rgba,
            ColorType::Indexed => return Err(corrupt(Format::Png)),
        };
        let Header { width, height, .. } = self.header;
        let mut pixels = RgbImage::new(width, height);
        let stride = width as usize * 3;
        let (mut scaled, mut line) = (Vec::new(), vec![0; stride]);
        let mut written = 0;
        while let Some(row) = reader.next_interlaced_row().map_err(refused)? {
            let samples = match depth {
                BitDepth::Sixteen => {
                    let pairs = row.data().chunks_exact(2);
                    scaled.clear();
                    scaled.extend(
                        pairs.map(|pair| rgb::scale_16(u16::from_be_bytes([pair[0], pair[1]]))),
                    );
                    scaled.as_slice()
                }
                _ => row.data(),
            };
            match row.interlace() {
                InterlaceInfo::Null(_) => {
                    let to = pixels.get_mut(written..written + stride);
                    rgb::write_row(samples, layout, to.ok_or(corrupt(Format::Png))?);
                    written += stride;
                }
                InterlaceInfo::Adam7(info) => {
                    let line = &mut line[..samples.len() / layout.samples() * 3];
                    rgb::write_row(samples, layout, line);
                    png::expand_interlaced_row(&mut pixels, stride, line, info, 24);
                }
            }
        }
        Ok(pixels)
    }
}

/// The chunks of a file, by what they are for.
struct Chunks<'a> {
    /// Signature, `IHDR`, `PLTE`, `tRNS`, the `IDAT` chunks and `IEND`.
    pixels: Vec<&'a [u8]>,
    metadata: Metadata<'a>,
    frames: u32,
}

#[derive(Default)]
struct Metadata<'a> {
    exif: Option<&'a [u8]>,
    /// The content of a text chunk behind its keyword and null byte.
    raw_profile: Option<Text<'a>>,
    xmp: Option<Text<'a>>,
}

struct Text<'a> {
    content: &'a [u8],
    compressed: bool,
}

impl<'a> Chunks<'a> {
    fn read(encoded: &'a [u8]) -> Self {
        const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
        let (signature, mut rest) = encoded.split_at(SIGNATURE_BYTES.min(encoded.len()));
        let mut pixels = vec![signature];
        let mut metadata = Metadata::default();
        let (mut colour, mut colours) = (0, 0);
        let (mut frames, mut first_frame_seen) = (0, false);
        // `IDAT` chunks follow each other directly; what comes behind another chunk is not read.
        let (mut data_begun, mut data_ended) = (false, false);
        while let Some((whole, name, content)) = next_chunk(&mut rest) {
            let is_data = name == b"IDAT";
            data_ended |= data_begun && !is_data;
            match name {
                b"IHDR" | b"PLTE" if !has_right_checksum(whole) => break,
                // The small letter says that the picture can be shown without the chunk.
                [b'a'..=b'z', ..] if !has_right_checksum(whole) => {}
                b"IHDR" if pixels.len() == 1 => {
                    colour = content.get(9).copied().unwrap_or(0);
                    pixels.push(whole);
                }
                b"PLTE" if !data_begun => {
                    colours = content.len() / 3;
                    pixels.push(whole);
                }
                // As in libpng, one of another length than the colours have says nothing.
                b"tRNS" if !data_begun => {
                    let fits = match colour {
                        0 => content.len() == 2,
                        2 => content.len() == 6,
                        3 => (1..=colours).contains(&content.len()),
                        _ => false,
                    };
                    pixels.extend(fits.then_some(whole));
                }
                b"IDAT" if !data_ended => {
                    data_begun = true;
                    pixels.push(whole);
                }
                b"acTL" => {
                    frames = content.first_chunk().map_or(0, |count| u32::from_be_bytes(*count));
                }
                b"fcTL" => first_frame_seen |= !data_begun,
                b"IEND" => break,
                _ => metadata.read(name, content),
            }
        }
        pixels.push(END);
        // Where no frame begins before the pixels, they are a default image beside the animation.
        let frames = if first_frame_seen { frames } else { frames.saturating_add(1) };
        Self { pixels, metadata, frames: frames.max(1) }
    }
}

/// The next chunk: whole, its name and its content. One that reaches beyond the file is cut there.
fn next_chunk<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8; 4], &'a [u8])> {
    let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
    let name = rest.get(4..)?.first_chunk::<4>()?;
    let end = length.saturating_add(12).min(rest.len());
    let (whole, behind) = rest.split_at(end);
    let content = &whole[8..length.saturating_add(8).min(whole.len())];
    *rest = behind;
    Some((whole, name, content))
}

/// Of pixels nothing is lost where their checksum is wrong; of size and palette everything is.
fn has_right_checksum(chunk: &[u8]) -> bool {
    let Some((content, checksum)) = chunk.split_last_chunk::<4>() else { return false };
    let mut crc = Crc::new();
    crc.update(content.get(4..).unwrap_or_default());
    crc.sum() == u32::from_be_bytes(*checksum)
}

impl<'a> Metadata<'a> {
    fn read(&mut self, name: &[u8; 4], content: &'a [u8]) {
        const XMP: &[u8] = b"XML:com.adobe.xmp";
        let keyword = |keyword: &[u8]| content.strip_prefix(keyword)?.strip_prefix(b"\0");
        match name {
            b"eXIf" => self.exif = Some(content),
            b"tEXt" | b"zTXt" => {
                let compressed = name == b"zTXt";
                let text = |content: &'a [u8]| {
                    // The byte before compressed text names its method, of which there is one.
                    let content = content.get(usize::from(compressed)..).unwrap_or_default();
                    Text { content, compressed }
                };
                if let Some(profile) = keyword(b"Raw profile type exif") {
                    self.raw_profile = Some(text(profile));
                } else if let Some(xmp) = keyword(XMP) {
                    self.xmp = Some(text(xmp));
                }
            }
            b"iTXt" => {
                let Some([compressed, _method, rest @ ..]) = keyword(XMP) else { return };
                // Behind the language and the translated keyword, each with a null byte.
                let content = rest.splitn(3, |byte| *byte == 0).nth(2).unwrap_or_default();
                self.xmp = Some(Text { content, compressed: *compressed != 0 });
            }
            _ => {}
        }
    }

    fn orientation(&self) -> Orientation {
        let raw = self.raw_profile.as_ref().filter(|_| self.exif.is_none());
        let raw = raw.and_then(|text| from_hexadecimal(&text.unpacked()));
        let xmp = self.xmp.as_ref().map(Text::unpacked);
        orientation::from_metadata(self.exif.or(raw.as_deref()), xmp.as_deref())
    }
}

impl Text<'_> {
    fn unpacked(&self) -> Vec<u8> {
        if !self.compressed {
            return self.content.to_vec();
        }
        let mut text = Vec::new();
        let unpacked = ZlibDecoder::new(self.content).take(MAX_TEXT).read_to_end(&mut text);
        if unpacked.is_ok() { text } else { Vec::new() }
    }
}

/// ImageMagick's profiles: an empty line, a name, a length, then bytes as hexadecimal digits.
fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.splitn(4, |byte| *byte == b'\n').nth(3)?;
    let digits: Vec<u8> =
        lines.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    digits.chunks(2).map(byte).collect()
}

/// Slices of a file, read as if they were one.
struct Pieces<'a> {
    pieces: std::vec::IntoIter<&'a [u8]>,
    current: Cursor<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    fn new(pieces: Vec<&'a [u8]>) -> Self {
        Self { pieces: pieces.into_iter(), current: Cursor::new(&[]) }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.fill_buf()?.is_empty() {
            let Some(next) = self.pieces.next() else { break };
            self.current = Cursor::new(next);
        }
        self.current.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.current.consume(amount);
    }
}

/// Crate `png` asks for it and does not use it on this way.
impl Seek for Pieces<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(content);
        [&length, name.as_slice(), content, &crc.sum().to_be_bytes()].concat()
    }

    fn chunks<'a>(file: &'a mut Vec<u8>, parts: &[Vec<u8>]) -> Chunks<'a> {
        *file = [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat()].concat();
        Chunks::read(file)
    }

    const TURNED: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    #[test]
    fn orientation_is_found_wherever_it_stands() {
        let hexadecimal: String = TURNED.iter().map(|byte| format!("{byte:02x}")).collect();
        let raw = format!("Raw profile type exif\0\nexif\n      26\n{hexadecimal}\n");
        let xmp = b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation=\"6\"";
        let data = || chunk(b"IDAT", b"x");
        for parts in [
            vec![chunk(b"eXIf", TURNED), data()],
            vec![data(), chunk(b"eXIf", TURNED)],
            vec![data(), chunk(b"tEXt", raw.as_bytes())],
            vec![chunk(b"iTXt", xmp), data()],
        ] {
            let mut file = Vec::new();
            let metadata = chunks(&mut file, &parts).metadata;
            assert_eq!(metadata.orientation(), Orientation::Rotate90, "{parts:?}");
        }
    }

    #[test]
    fn only_chunks_that_make_pixels_are_passed_on() {
        let mut file = Vec::new();
        let names: [&[u8; 4]; 8] =
            [b"IHDR", b"iCCP", b"PLTE", b"zTXt", b"IDAT", b"IDAT", b"fdAT", b"IDAT"];
        let found = chunks(&mut file, &names.map(|name| chunk(name, &[3; 13])));
        let passed: Vec<&[u8]> = found.pixels[1..].iter().map(|piece| &piece[4..8]).collect();
        assert_eq!(passed, [b"IHDR", b"PLTE", b"IDAT", b"IDAT", b"IEND"]);
    }

    #[test]
    fn frames_are_counted_with_a_default_image() {
        let (count, control, data) = (
            chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
            chunk(b"fcTL", &[0; 26]),
            chunk(b"IDAT", b""),
        );
        let mut file = Vec::new();
        let first_is_frame = [count.clone(), control.clone(), data.clone()];
        assert_eq!(chunks(&mut file, &first_is_frame).frames, 2);
        assert_eq!(chunks(&mut file, &[count, data.clone(), control]).frames, 3);
        assert_eq!(chunks(&mut file, &[data]).frames, 1);
    }
}
