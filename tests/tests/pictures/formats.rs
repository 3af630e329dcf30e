//! Unusual but valid files, made here: each is a red picture, and the toy model must call it red.

use std::sync::LazyLock;

use glimpse_classifier::{ClassifyError, Limits, decode};
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, Rgba, RgbaImage};

use crate::common::api::Api;
use crate::common::encode::{FORMATS, encode, plain};
use crate::common::toy;

const RED: [u8; 3] = [220, 20, 30];

static TOY: LazyLock<Api> = LazyLock::new(|| {
    let folder = toy::bundle(toy::Graph::MeanColour);
    let api = Api::folder(folder.path());
    // The load happens now, while the folder is there.
    assert_eq!(api.get("/model").status, 200);
    api
});

#[track_caller]
fn is(colour: &str, name: &str, file: Vec<u8>) {
    let answer = TOY.post("/predict", "image/*", file);
    assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["label"], colour, "{name}");
}

#[test]
fn every_format_and_pixel_type_keeps_its_colour() {
    for (name, format) in FORMATS {
        is("red", name, encode(&plain(40, 30, RED), format));
    }
    let wide = |channel: u8| u16::from(channel) * 257;
    let [r, g, b] = RED;
    let rgb16 = image::ImageBuffer::from_pixel(9, 9, Rgb([wide(r), wide(g), wide(b)]));
    let rgba16 = image::ImageBuffer::from_pixel(9, 9, Rgba([wide(r), wide(g), wide(b), u16::MAX]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        is("red", "16-bit RGB", encode(&DynamicImage::ImageRgb16(rgb16.clone()), format));
        is("red", "16-bit RGBA", encode(&DynamicImage::ImageRgba16(rgba16.clone()), format));
    }
}

#[test]
fn a_gif_is_its_first_frame() {
    let frame =
        |[r, g, b]: [u8; 3]| Frame::new(RgbaImage::from_pixel(20, 20, Rgba([r, g, b, 255])));
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    encoder.encode_frames([RED, [10, 10, 200], [10, 200, 10]].map(frame)).unwrap();
    drop(encoder);
    is("red", "animated GIF", file);
}

/// The left half is red and the right half is blue; the centre crop of a picture that stands upright
/// only after turning sees other colours than one that was not turned.
#[test]
fn exif_orientation_is_applied() {
    let (red, blue) = (Rgb(RED), Rgb([10, 10, 230]));
    // Stored 30 × 90: red on top, blue below; turned, the crop keeps the middle third.
    for (orientation, name) in [(1, "as stored"), (6, "turned right"), (8, "turned left")] {
        let picture = image::RgbImage::from_fn(30, 90, |x, y| {
            let inside = (30..60).contains(&y);
            if inside && x < 29 { red } else { blue }
        });
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let file = encode(&DynamicImage::ImageRgb8(picture.clone()), format);
            let file = with_orientation(&file, format, orientation);
            let decoded = decode(&file, &Limits::default()).unwrap();
            let expected = image::metadata::Orientation::from_exif(orientation).unwrap();
            assert_eq!(decoded.header.orientation, expected, "{format:?} {name}");
            is("red", name, file);
        }
    }
}

/// Put an EXIF segment or chunk with this orientation into a JPEG or PNG.
fn with_orientation(file: &[u8], format: ImageFormat, orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    if format == ImageFormat::Jpeg {
        let length = u16::try_from(exif.len() + 8).unwrap().to_be_bytes();
        let segment = [b"\xff\xe1".as_slice(), &length, b"Exif\0\0", &exif].concat();
        return [&file[..2], &segment, &file[2..]].concat();
    }
    let mut chunk = u32::try_from(exif.len()).unwrap().to_be_bytes().to_vec();
    let content = [b"eXIf".as_slice(), &exif].concat();
    chunk.extend(&content);
    chunk.extend(crate::common::encode::crc32(&content).to_be_bytes());
    [&file[..33], &chunk, &file[33..]].concat()
}

#[test]
fn a_truncated_file_is_corrupt_in_every_format() {
    for (name, format) in FORMATS {
        let file = encode(&crate::common::encode::textured(64, 48), format);
        for cut in [file.len() / 3, file.len() / 2, file.len() * 9 / 10] {
            let answer = TOY.post("/predict", "image/*", &file[..cut]);
            println!("{name}: {cut} of {}", file.len());
            answer.problem(422, "corrupt_image");
        }
    }
}

#[test]
fn a_format_is_detected_from_the_content_only() {
    let other: [(&str, &[u8]); 10] = [
        ("PDF", b"%PDF-1.7\n"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("HTML", b"<!doctype html>"),
        ("ICO", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0"),
        ("PSD", b"8BPS\0\x01\0\0\0\0\0\0\0\x03"),
        ("Radiance", b"#?RADIANCE\n"),
        ("EXR", b"\x76\x2f\x31\x01\x02\0\0\0"),
        ("PNM", b"P6 1 1 255\n\0\0\0"),
        ("QOI", b"qoif\0\0\0\x01\0\0\0\x01\x03\0"),
        ("a zip", b"PK\x03\x04"),
    ];
    for (name, bytes) in other {
        println!("{name}");
        TOY.post("/predict", "image/png", bytes).problem(415, "unsupported_image_format");
        let refused = decode(bytes, &Limits::default());
        assert!(matches!(refused, Err(ClassifyError::UnsupportedFormat)), "{name}");
    }
}

#[test]
fn one_pixel_and_one_row_are_pictures() {
    for (width, height) in [(1, 1), (1, 3000), (3000, 1), (2, 2)] {
        is("red", "tiny", encode(&plain(width, height, RED), ImageFormat::Png));
    }
    is("red", "1 × 1 JPEG", encode(&plain(1, 1, RED), ImageFormat::Jpeg));
}
