//! Old-style JPEG (TIFF 6.0, section 22) as one JPEG stream.
//!
//! The standard spreads a stream over the file: tables and headers stand where tags say, scan data in
//! strips, and writers disagree about which part holds what. As in libtiff, the bytes at
//! `JPEGInterchangeFormat` and the strips are one stream: marker segments up to the start of a scan,
//! then scan data. What no segment holds is made from tags.

use super::{broken, tag, unsupported};
use crate::decode::ifd::{Directory, Tiff};
use crate::error::ClassifyError;

const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const DHT: u8 = 0xc4;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;

/// The strips of a picture.
pub(super) struct Strips<'a> {
    pub(super) chunks: &'a [&'a [u8]],
    pub(super) width: usize,
    /// Rows of each.
    pub(super) rows: usize,
    pub(super) channels: usize,
}

/// The contents of the marker segments before the scan data.
#[derive(Default)]
struct Segments<'a> {
    quantization: Vec<&'a [u8]>,
    huffman: Vec<&'a [u8]>,
    restart: Option<&'a [u8]>,
    frame: Option<&'a [u8]>,
    scan: Option<&'a [u8]>,
    /// Bytes of all of them.
    length: usize,
}

/// The stream of a picture.
pub(super) fn stream(
    file: &Tiff<'_>,
    directory: &Directory<'_>,
    strips: &Strips<'_>,
) -> Result<Vec<u8>, ClassifyError> {
    let (first, others) = strips.chunks.split_first().ok_or(broken())?;
    let start = [interchange(file, directory), first].concat();
    let segments = Segments::read(&start)?;
    let frame =
        segments.frame.map_or_else(|| frame(directory, strips), |frame| Ok(frame.into()))?;
    let mut stream = Stream(vec![0xff, SOI]);
    if segments.quantization.is_empty() {
        stream.quantization(file, directory)?;
    }
    if segments.huffman.is_empty() {
        stream.huffman(file, directory, tag::JPEG_DC_TABLES, 0)?;
        stream.huffman(file, directory, tag::JPEG_AC_TABLES, 0x10)?;
    }
    for (marker, contents) in [(DQT, &segments.quantization), (DHT, &segments.huffman)] {
        contents.iter().for_each(|content| stream.put(marker, content));
    }
    stream.put(SOF1, &frame);
    if !others.is_empty() {
        stream.put(DRI, &restart_interval(&frame, strips)?.to_be_bytes());
    } else if let Some(restart) = segments.restart {
        stream.put(DRI, restart);
    }
    stream.put(SOS, segments.scan.unwrap_or(&scan(strips.channels)));
    let Stream(mut bytes) = stream;
    bytes.extend_from_slice(start.get(segments.length..).unwrap_or_default());
    for (strip, number) in others.iter().zip((0..8).cycle()) {
        bytes.extend([0xff, 0xd0 + number]);
        bytes.extend_from_slice(strip);
    }
    bytes.extend([0xff, EOI]);
    Ok(bytes)
}

/// The bytes at `JPEGInterchangeFormat`; to the end of the file where their length is missing or wrong.
fn interchange<'a>(file: &Tiff<'a>, directory: &Directory<'a>) -> &'a [u8] {
    let Some(offset) = directory.number(tag::JPEG_INTERCHANGE_FORMAT) else { return &[] };
    match directory.number(tag::JPEG_INTERCHANGE_FORMAT_LENGTH) {
        None | Some(0) => file.slice(offset, u64::MAX),
        Some(length) => file.slice(offset, length),
    }
}

impl<'a> Segments<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ClassifyError> {
        let mut found = Self::default();
        let mut at = 0;
        // Scan data that no header precedes begins with another byte.
        while bytes.get(at) == Some(&0xff) {
            let fill = bytes[at..].iter().take_while(|byte| **byte == 0xff).count();
            let marker = *bytes.get(at + fill).ok_or(broken())?;
            at += fill + 1;
            if marker == SOI {
                continue;
            }
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(broken())?;
            let length = usize::from(u16::from_be_bytes(*length));
            let content = bytes.get(at + 2..at + length).ok_or(broken())?;
            at += length;
            match marker {
                DQT => found.quantization.push(content),
                DHT => found.huffman.push(content),
                DRI => found.restart = Some(content),
                SOF0 | SOF1 => found.frame = Some(content),
                0xc2..=0xcf => return Err(unsupported("old-style JPEG other than sequential")),
                SOS => found.scan = Some(content),
                // Comments and applications' data.
                0xe0..=0xef | 0xfe => {}
                _ => return Err(broken()),
            }
            if marker == SOS {
                break;
            }
        }
        found.length = at;
        Ok(found)
    }
}

struct Stream(Vec<u8>);

impl Stream {
    fn put(&mut self, marker: u8, content: &[u8]) {
        let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
        self.0.extend([0xff, marker]);
        self.0.extend(length.to_be_bytes());
        self.0.extend_from_slice(content);
    }

    /// Tables of 64 bytes.
    fn quantization(
        &mut self,
        file: &Tiff<'_>,
        directory: &Directory<'_>,
    ) -> Result<(), ClassifyError> {
        for (id, offset) in offsets(directory, tag::JPEG_Q_TABLES)? {
            let table = file.slice(offset, 64);
            if table.len() < 64 {
                return Err(broken());
            }
            self.put(DQT, &[&[id], table].concat());
        }
        Ok(())
    }

    /// Tables of 16 counts and as many values as these say.
    fn huffman(
        &mut self,
        file: &Tiff<'_>,
        directory: &Directory<'_>,
        tables: u16,
        class: u8,
    ) -> Result<(), ClassifyError> {
        for (id, offset) in offsets(directory, tables)? {
            let counts = file.slice(offset, 16);
            let values: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let table = file.slice(offset, 16 + values as u64);
            if table.len() < 16 + values {
                return Err(broken());
            }
            self.put(DHT, &[&[class | id], table].concat());
        }
        Ok(())
    }
}

/// Where the tables of each component are.
fn offsets(
    directory: &Directory<'_>,
    tables: u16,
) -> Result<impl Iterator<Item = (u8, u64)>, ClassifyError> {
    let offsets = directory.numbers(tables).filter(|offsets| offsets.len() <= 4).ok_or(broken())?;
    Ok((0..).zip(offsets))
}

/// The frame header that tags describe: precision, height, width, and each component.
fn frame(directory: &Directory<'_>, strips: &Strips<'_>) -> Result<Vec<u8>, ClassifyError> {
    let side = |side: usize| u16::try_from(side).map_err(|_| broken());
    let (height, width) = (side(strips.rows * strips.chunks.len())?, side(strips.width)?);
    let luma = match directory.numbers(tag::YCBCR_SUB_SAMPLING).as_deref() {
        _ if strips.channels == 1 => 0x11,
        Some([across @ (1 | 2 | 4), down @ (1 | 2 | 4)]) => {
            u8::try_from(across << 4 | down).map_err(|_| broken())?
        }
        _ => 0x22,
    };
    let components = (0..).take(strips.channels);
    let components = components.flat_map(|id: u8| [id, if id == 0 { luma } else { 0x11 }, id]);
    let count = u8::try_from(strips.channels).map_err(|_| broken())?;
    let mut content = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[count]].concat();
    content.extend(components);
    Ok(content)
}

/// The scan header of all components, each with its own tables.
fn scan(channels: usize) -> Vec<u8> {
    let components = (0..).take(channels).flat_map(|id: u8| [id, id << 4 | id]);
    let count = u8::try_from(channels).unwrap_or(u8::MAX);
    [count].into_iter().chain(components).chain([0, 63, 0]).collect()
}

/// A strip is so many blocks; between two strips comes a restart marker.
fn restart_interval(frame: &[u8], strips: &Strips<'_>) -> Result<u16, ClassifyError> {
    let (width, components) = match frame {
        [_, _, _, high, low, _, components @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), components)
        }
        _ => return Err(broken()),
    };
    let factors = components.chunks_exact(3).map(|component| component[1]);
    let (across, down) = match components.len() {
        // One component has blocks of 8 × 8, whatever its factors.
        3 => (1, 1),
        _ => factors.fold((1, 1), |(across, down), both| {
            (across.max(usize::from(both >> 4)), down.max(usize::from(both & 15)))
        }),
    };
    if !strips.rows.is_multiple_of(8 * down) {
        return Err(unsupported("old-style JPEG whose strips end within a row of blocks"));
    }
    let blocks = width.div_ceil(8 * across) * (strips.rows / (8 * down));
    u16::try_from(blocks).map_err(|_| broken())
}
