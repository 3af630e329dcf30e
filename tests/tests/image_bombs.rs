//! Headers that announce giant pictures: refused before anything of that size is allocated.
//!
//! A binary of its own, because it measures what the whole process allocates.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "siege/pictures.rs"]
#[allow(dead_code)]
mod pictures;

use std::sync::Mutex;

use common::api::{Api, request, store};
use common::encode::{crc32, encode, textured};
use common::toy;
use glimpse_api::ApiConfig;
use glimpse_classifier::{ClassifyError, Limits, Request, Scale, Source, decode};
use http::Method;
use image::ImageFormat;
use peak_alloc::PeakAlloc;
use serde_json::json;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// More than any refusal needs beside the file itself, far less than any of the pictures.
const ALLOWANCE: usize = 4 << 20;

const GIANT: u32 = 60_000;

/// What one test allocates would be measured by another.
static TURN: Mutex<()> = Mutex::new(());

/// A file, and the status and code that it gets.
struct Bomb {
    name: &'static str,
    file: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn too_large(name: &'static str, file: Vec<u8>) -> Bomb {
    Bomb { name, file, status: 413, code: "image_too_large" }
}

fn corrupt(name: &'static str, file: Vec<u8>) -> Bomb {
    Bomb { name, file, status: 422, code: "corrupt_image" }
}

fn bombs() -> Vec<Bomb> {
    vec![
        too_large("PNG", png(GIANT, GIANT)),
        too_large("PNG, the largest there is", png(i32::MAX as u32, i32::MAX as u32)),
        too_large("PNG, one row", png(1_000_000_000, 1)),
        too_large("JPEG", jpeg(65_000, 65_000)),
        too_large("JPEG, truncated as well", without_end(jpeg(65_000, 65_000))),
        too_large("GIF", gif((65_535, 65_535), (65_535, 65_535))),
        too_large("BMP", bmp(GIANT, GIANT)),
        too_large("BMP, a column", bmp(1, i32::MAX as u32)),
        too_large("TIFF", tiff(GIANT, GIANT)),
        too_large("TIFF, the largest there is", tiff(u32::MAX, u32::MAX)),
        too_large(
            "TIFF, a giant JPEG in a small picture",
            tiff_of(JPEG, &jpeg(16_000, 16_000), 1, 0),
        ),
        too_large(
            "TIFF, the same split over its tables",
            tiff_of(JPEG, &jpeg(16_000, 16_000), 1, 20),
        ),
        too_large("TIFF, one JPEG many times", tiff_of(JPEG, &jpeg(1000, 1000), 120, 0)),
        too_large("TIFF, progressive JPEG", tiff_of(JPEG, &progressive(8000, 6000), 1, 0)),
        too_large("TIFF, the same bytes many times", tiff_of(DEFLATE, &[0; 100_000], 6000, 0)),
        too_large("WebP, lossless", webp_lossless(16_383, 16_383)),
        too_large("WebP, extended", webp_extended((65_000, 60_000), &lossless_chunk(16, 16))),
        too_large(
            "WebP, a giant lossy frame on a small canvas",
            webp_extended((16, 16), &lossy_chunk()),
        ),
        too_large(
            "WebP, a giant lossless frame on a small canvas",
            webp_extended((16, 16), &lossless_chunk(16_383, 16_383)),
        ),
        too_large("GIF, a giant frame on a small screen", gif((16, 16), (65_535, 65_535))),
        // Sides that the format's decoder refuses by itself.
        corrupt(
            "WebP, the largest canvas",
            webp_extended((1 << 24, 1 << 24), &lossless_chunk(16, 16)),
        ),
        corrupt(
            "TIFF, a giant JPEG split inside a segment of its tables",
            tiff_of(JPEG, &jpeg(16_000, 16_000), 1, 24),
        ),
        corrupt("PNG of no width", png(0, 5)),
        corrupt("JPEG of no width", jpeg(0, 16)),
        corrupt("WebP whose first chunk is longer than the file", webp_long_chunk()),
        corrupt("PNG whose profile is longer than the file", png_long_chunk()),
    ]
}

#[test]
fn a_giant_picture_is_refused_before_it_is_allocated() {
    let _turn = TURN.lock();
    let folder = toy::bundle(toy::Graph::MeanColour);
    let store = store(folder.path());
    let api = Api::new(store, ApiConfig::default());
    // The model is loaded and every lazy part built before anything is measured.
    api.predict(&encode(&textured(16, 16), ImageFormat::Png)).ok();
    for bomb in bombs() {
        println!("{}", bomb.name);
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let answer = api.post("/predict", "image/*", bomb.file.clone());
        let allocated = ALLOCATED.peak_usage().saturating_sub(before);
        answer.problem(bomb.status, bomb.code);
        assert!(allocated < ALLOWANCE, "{}: {allocated} bytes allocated", bomb.name);
        assert!(decode(&bomb.file, &Limits::default()).is_err());
    }
    // A progressive JPEG's coefficients are kept until its last scan, at full scale beside the picture.
    let error = decode(&progressive(7000, 7000), &Limits::default()).unwrap_err();
    assert!(matches!(error, ClassifyError::TooMuchMemory { .. }), "{error:?}");
    // A picture within the limits, whose compressed size says nothing, is decoded under them too.
    let limits = Limits { max_decoded_bytes: 1 << 20, ..Limits::default() };
    for (name, format) in common::encode::FORMATS {
        let file = encode(&common::encode::plain(2000, 1500, [9, 9, 9]), format);
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        assert!(decode(&file, &limits).is_err(), "{name}");
        let allocated = ALLOCATED.peak_usage().saturating_sub(before);
        // A decoder may keep a copy of the file (JPEG's does), and uncompressed files are large.
        assert!(allocated < ALLOWANCE + file.len(), "{name}: {allocated} bytes allocated");
    }
}

/// What is taken from the budget is what a decoder takes, and not much less.
#[test]
fn an_accepted_picture_takes_the_memory_that_its_header_announced() {
    let _turn = TURN.lock();
    for (name, _, file) in pictures::all() {
        let source = Source::open(&file, Request::default(), &Limits::default()).unwrap();
        let announced = source.cost(Scale::Full).peak_bytes;
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let picture = source.decode(Scale::Full).unwrap();
        let taken = ALLOCATED.peak_usage().saturating_sub(before) as u64;
        drop(picture);
        println!("{name}: {} MB announced, {} MB taken", announced >> 20, taken >> 20);
        assert!(taken <= announced, "{name}: {taken} of {announced}");
        // What libjpeg takes is not seen here: coefficients of a progressive file are twice the picture.
        assert!(announced <= 4 * taken, "{name}: {taken} of {announced}");
    }
}

/// Lengths in a binary tensor, and shapes, are the client's word too.
#[test]
fn a_giant_tensor_is_refused_before_it_is_allocated() {
    let _turn = TURN.lock();
    let folder = toy::bundle(toy::Graph::MeanColour);
    let api = Api::new(store(folder.path()), ApiConfig::default());
    api.predict(&encode(&textured(16, 16), ImageFormat::Png)).ok();
    let giant_element = [&u32::MAX.to_le_bytes()[..], b"picture"].concat();
    let cases = [
        ("BYTES", json!([1]), json!(giant_element.len()), 400),
        ("BYTES", json!([1]), json!(u64::MAX), 400),
        ("BYTES", json!([u64::MAX]), json!(giant_element.len()), 413),
        ("UINT8", json!([1, u32::MAX, u32::MAX, 3]), json!(giant_element.len()), 400),
        ("UINT8", json!([16, u64::MAX, u64::MAX, u64::MAX]), json!(u64::MAX), 400),
    ];
    for (datatype, shape, size, status) in cases {
        let tensor = json!({ "name": "image", "datatype": datatype, "shape": shape,
                             "parameters": { "binary_data_size": size } });
        let json = json!({ "inputs": [tensor] }).to_string();
        let body = [json.as_bytes(), &giant_element].concat();
        let mut request = request(Method::POST, "/v2/models/toy/infer", None, body);
        request.headers_mut().insert("inference-header-content-length", json.len().into());
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let answer = api.send(request);
        let allocated = ALLOCATED.peak_usage().saturating_sub(before);
        answer.error(status);
        assert!(allocated < ALLOWANCE, "{tensor}: {allocated} bytes allocated");
    }
}

/// A strip of one pixel takes microseconds, and a file of 10 MB has room for a million.
#[test]
fn a_tiff_of_more_strips_than_any_picture_has_is_refused() {
    let (decoded, refused) = (tiff_of(RAW, &[9], 40_000, 0), tiff_of(RAW, &[9], 60_000, 0));
    let picture = decode(&decoded, &Limits::default()).unwrap();
    assert_eq!(picture.pixels.dimensions(), (1, 40_000));
    let error = decode(&refused, &Limits::default()).unwrap_err();
    assert!(matches!(error, ClassifyError::UnsupportedVariant { format: "TIFF", .. }), "{error:?}");
}

/// What tables and strips share of a JPEG is joined again.
#[test]
fn a_tiff_of_jpeg_strips_is_decoded() {
    let strip = encode(&textured(1, 1).to_luma8().into(), ImageFormat::Jpeg);
    let file = tiff_of(JPEG, &strip, 3, 20);
    let picture = decode(&file, &Limits::default()).unwrap();
    assert_eq!(picture.pixels.dimensions(), (1, 3));
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = encode(&textured(16, 16), ImageFormat::Jpeg);
    let frame = frame(&file);
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

fn progressive(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg(width, height);
    let frame = frame(&file);
    file[frame + 1] = 0xc2;
    file
}

fn frame(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap()
}

fn without_end(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() - 2);
    file
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [name, content].concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, named.as_slice(), &crc32(&named).to_be_bytes()].concat()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let parts = [chunk(b"IHDR", &header), chunk(b"IDAT", &[0x78, 0x9c]), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat()].concat()
}

fn png_long_chunk() -> Vec<u8> {
    let start = png(16, 16)[..33].to_vec();
    [start, i32::MAX.to_be_bytes().to_vec(), b"iCCPx\0\0".to_vec()].concat()
}

fn gif(screen: (u16, u16), frame: (u16, u16)) -> Vec<u8> {
    let size = |(width, height): (u16, u16)| [width.to_le_bytes(), height.to_le_bytes()].concat();
    let palette = b"\0\0\0\xff\xff\xff";
    let header = [b"GIF89a", size(screen).as_slice(), b"\x80\0\0", palette].concat();
    [header.as_slice(), b",\0\0\0\0", &size(frame), b"\0\x02\x02\x44\x01\0;"].concat()
}

fn bmp(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend(b"\x01\0\x18\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    file.extend([0; 16]);
    file
}

fn tiff(width: u32, height: u32) -> Vec<u8> {
    // Tags in order: width, height, bits, no compression, RGB, strip at 8, samples, rows, bytes.
    let entries: [(u16, u32); 9] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 2),
        (273, 8),
        (277, 3),
        (278, height),
        (279, u32::MAX),
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

const RAW: u16 = 1;
const JPEG: u16 = 7;
const DEFLATE: u16 = 8;

/// Grey, a pixel wide, a row a strip, and all strips the same bytes. The first `tables` of them are
/// in the tag for what JPEG strips have in common.
fn tiff_of(compression: u16, strip: &[u8], strips: u32, tables: usize) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut put = |content: &[u8]| {
        let at = u32::try_from(file.len()).unwrap();
        file.extend_from_slice(content);
        at
    };
    let length_of = |content: &[u8]| u32::try_from(content.len()).unwrap();
    // Tables end with an end of image, and the strip begins with a beginning of its own.
    let (head, tail) = strip.split_at(tables);
    let (head, strip) = match tables {
        0 => (Vec::new(), strip.to_vec()),
        _ => ([head, b"\xff\xd9"].concat(), [b"\xff\xd8", tail].concat()),
    };
    let (head_at, strip_at) = (put(&head), put(&strip));
    let many = |value: u32| value.to_le_bytes().repeat(strips as usize);
    let (mut offsets, mut lengths) = (strip_at, length_of(&strip));
    if strips > 1 {
        (offsets, lengths) = (put(&many(offsets)), put(&many(lengths)));
    }
    let mut entries = vec![
        (256_u16, 4_u16, 1, 1),
        (257, 4, 1, strips),
        (258, 4, 1, 8),
        (259, 4, 1, u32::from(compression)),
        (262, 4, 1, 1),
        (273, 4, strips, offsets),
        (277, 4, 1, 1),
        (278, 4, 1, 1),
        (279, 4, strips, lengths),
    ];
    if tables > 0 {
        entries.push((347, 7, length_of(&head), head_at));
    }
    let directory = put(&u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in entries {
        put(&[tag.to_le_bytes(), kind.to_le_bytes()].concat());
        put(&[count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    put(&[0; 4]);
    file[4..8].copy_from_slice(&directory.to_le_bytes());
    file
}

fn webp(chunks: &[u8]) -> Vec<u8> {
    let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WEBP", chunks].concat()
}

fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    webp(&lossless_chunk(width, height))
}

fn lossless_chunk(width: u32, height: u32) -> Vec<u8> {
    let size = ((width - 1) | (height - 1) << 14).to_le_bytes();
    [b"VP8L\x16\0\0\0\x2f".as_slice(), &size, &[0; 17]].concat()
}

/// A key frame of 16,383 × 16,383 pixels with a first partition of 16 bytes.
fn lossy_chunk() -> Vec<u8> {
    let header = b"VP8 \x1a\0\0\0\x10\x02\0\x9d\x01\x2a\xff\x3f\xff\x3f";
    [header.as_slice(), &[0; 16]].concat()
}

fn webp_extended((width, height): (u32, u32), frame: &[u8]) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    let header = [b"VP8X\x0a\0\0\0\0\0\0\0".to_vec(), side(width), side(height)].concat();
    webp(&[header, frame.to_vec()].concat())
}

fn webp_long_chunk() -> Vec<u8> {
    let exif = [b"EXIF".as_slice(), &0xffff_fff0_u32.to_le_bytes(), b"MM\0*"].concat();
    let header = [b"VP8X\x0a\0\0\0\x08\0\0\0".as_slice(), &[15, 0, 0, 15, 0, 0]].concat();
    webp(&[header, lossless_chunk(16, 16), exif].concat())
}
