//! Pictures as files, and files as text.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_tests::jpeg;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage};
use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::{Gray16, RGB8, RGB16, RGBA16};

/// Every format that the contract names.
pub const FORMATS: [(&str, ImageFormat); 6] = [
    ("jpeg", ImageFormat::Jpeg),
    ("png", ImageFormat::Png),
    ("webp", ImageFormat::WebP),
    ("gif", ImageFormat::Gif),
    ("bmp", ImageFormat::Bmp),
    ("tiff", ImageFormat::Tiff),
];

/// A WebP of 38 bytes, lossless, with alpha: five codes of one symbol, which take no bits.
pub fn blank_webp((width, height): (u32, u32)) -> Vec<u8> {
    let size = ((width - 1) | (height - 1) << 14 | 1 << 28).to_le_bytes();
    let chunk = [b"VP8L\x0a\0\0\0\x2f".as_slice(), &size, b"\x88\x88\x08\0\0"].concat();
    let length = u32::try_from(chunk.len() + 4).unwrap().to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WEBP", &chunk].concat()
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    if format == ImageFormat::Jpeg {
        let size = (picture.width(), picture.height());
        return match picture {
            DynamicImage::ImageLuma8(grey) => jpeg::grey(grey.as_raw(), size).unwrap(),
            other => jpeg::rgb(other.to_rgb8().as_raw(), size).unwrap(),
        };
    }
    if format == ImageFormat::Tiff {
        return tiff(picture);
    }
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn tiff(picture: &DynamicImage) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    match picture {
        DynamicImage::ImageLuma16(all) => encoder.write_image::<Gray16>(width, height, all),
        DynamicImage::ImageRgb16(all) => encoder.write_image::<RGB16>(width, height, all),
        DynamicImage::ImageRgba16(all) => encoder.write_image::<RGBA16>(width, height, all),
        other => encoder.write_image::<RGB8>(width, height, &other.to_rgb8()),
    }
    .unwrap();
    file.into_inner()
}

/// A TIFF with a page of each colour, as a fax has pages.
pub fn pages(colours: &[[u8; 3]]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    for &colour in colours {
        let page = RgbImage::from_pixel(9, 8, Rgb(colour));
        encoder.write_image::<RGB8>(9, 8, &page).unwrap();
    }
    file.into_inner()
}

/// An animated GIF with a frame of each colour.
pub fn animation(colours: &[[u8; 3]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    let frames = colours.iter().map(|&colour| Frame::new(plain(9, 8, colour).to_rgba8()));
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    file
}

pub fn plain(width: u32, height: u32, colour: [u8; 3]) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb(colour)))
}

/// A picture with some detail, so that its file has more than a header.
pub fn textured(width: u32, height: u32) -> DynamicImage {
    let channel = |value: u32| u8::try_from(value % 256).unwrap();
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        Rgb([channel(x * 7 + y), channel(x * y), channel(y * 5)])
    }))
}

/// The checksum of PNG chunks.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
