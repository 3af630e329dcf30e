//! Pictures of nearly 50 megapixels that are accepted, made without an encoder: blank ones.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use glimpse_tests::jpeg;

use crate::common::encode::crc32;

/// Sides of 49 megapixels.
pub const SIDE: u32 = 7000;

/// Every format that can be made here, dearest first.
pub fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let size = (SIDE, SIDE);
    vec![
        ("WebP with alpha", "image/webp", webp(size)),
        ("GIF", "image/gif", gif(size)),
        ("BMP in runs", "image/bmp", bmp(size)),
        ("TIFF", "image/tiff", tiff(size)),
        ("PNG", "image/png", png(size)),
        ("JPEG", "image/jpeg", jpeg(size, 0)),
    ]
}

/// Lossless, with alpha: five codes of one symbol, which take no bits.
pub fn webp((width, height): (u32, u32)) -> Vec<u8> {
    let size = ((width - 1) | (height - 1) << 14 | 1 << 28).to_le_bytes();
    let chunk = [b"VP8L\x0a\0\0\0\x2f".as_slice(), &size, b"\x88\x88\x08\0\0"].concat();
    let length = u32::try_from(chunk.len() + 4).unwrap().to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WEBP", &chunk].concat()
}

/// Runs of up to 255 pixels of the first colour, and an end of each row.
fn bmp((width, height): (u32, u32)) -> Vec<u8> {
    let start = 14 + 40 + 256 * 4;
    let number = |value: u32| value.to_le_bytes();
    let (whole, rest) = (width / 255, u8::try_from(width % 255).unwrap());
    let row = [[255, 0].repeat(whole as usize), vec![rest, 0, 0, 0]].concat();
    let runs = [row.repeat(height as usize), vec![0, 1]].concat();
    let length = u32::try_from(runs.len()).unwrap();
    [
        b"BM".to_vec(),
        [number(start + length), number(0), number(start)].concat(),
        [number(40), number(width), number(height), [1, 0, 8, 0], number(1), number(length)]
            .concat(),
        [number(0); 4].concat(),
        vec![200; 256 * 4],
        runs,
    ]
    .concat()
}

fn zeros(length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let block = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let part = left.min(block.len());
        encoder.write_all(&block[..part]).unwrap();
        left -= part;
    }
    encoder.finish().unwrap()
}

fn png((width, height): (u32, u32)) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let named = [name.as_slice(), content].concat();
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [length.as_slice(), &named, &crc32(&named).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let data = zeros((width as usize + 1) * height as usize);
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// Grey in one strip, deflated.
fn tiff((width, height): (u32, u32)) -> Vec<u8> {
    let data = zeros(width as usize * height as usize);
    let length = u32::try_from(data.len()).unwrap();
    let entries: [(u16, u32); 9] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 8),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, length),
    ];
    let mut file = [b"II*\0".as_slice(), &(8 + length).to_le_bytes(), &data].concat();
    file.extend(9_u16.to_le_bytes());
    for (tag, value) in entries {
        file.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

/// Codes that each stand for one pixel more than the one before, until the table is full.
fn gif((width, height): (u32, u32)) -> Vec<u8> {
    const CLEAR: u32 = 4;
    let mut left = width * height;
    let (mut data, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    let mut put = |code: u32, width: u32| {
        bits |= code << count;
        count += width;
        while count >= 8 {
            data.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            count -= 8;
        }
    };
    put(CLEAR, 3);
    while left > 0 {
        put(0, 3);
        left -= 1;
        let (mut next, mut run, mut size) = (6, 2, 3);
        while next < 4095 && left >= run {
            put(next, size);
            left -= run;
            (next, run) = (next + 1, run + 1);
            if next == 1 << size && size < 12 {
                size += 1;
            }
        }
        put(if left > 0 { CLEAR } else { CLEAR + 1 }, size);
    }
    put(0, 8);
    let side = |side: u32| u16::try_from(side).unwrap().to_le_bytes();
    let size = [side(width), side(height)].concat();
    let mut file = [b"GIF89a".to_vec(), size.clone(), b"\x81\0\0".to_vec(), vec![99; 12]].concat();
    file.extend([b",\0\0\0\0".to_vec(), size, b"\0\x02".to_vec()].concat());
    for block in data.chunks(255) {
        file.push(u8::try_from(block.len()).unwrap());
        file.extend(block);
    }
    file.extend(b"\0;");
    file
}

/// A grey photograph of nothing, in a file of `bytes` bytes at least: a comment fills it up.
pub fn jpeg((width, height): (u32, u32), bytes: usize) -> Vec<u8> {
    let small = jpeg::grey(&[128; 64], (8, 8)).unwrap();
    let find = |marker: u8| small.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let (frame, scan) = (find(0xc0), find(0xda));
    let data = scan + 2 + usize::from(small[scan + 3]);
    let mut head = small[..data].to_vec();
    let side = |side: u32| u16::try_from(side).unwrap().to_be_bytes();
    head[frame + 5..frame + 9].copy_from_slice(&[side(height), side(width)].concat());
    // No difference (00) and end of block (1010) for each block, as the usual tables code them.
    let blocks = (width.div_ceil(8) * height.div_ceil(8)) as usize;
    let mut coded = [0x28, 0xa2, 0x8a].repeat(blocks.div_ceil(4));
    coded.extend([0xff, 0xd9]);
    let mut comments = Vec::new();
    while head.len() + coded.len() + comments.len() < bytes {
        comments.extend([b"\xff\xfe\xff\xff".as_slice(), &[7; 0xfffd]].concat());
    }
    [&head[..2], &comments, &head[2..], &coded].concat()
}
