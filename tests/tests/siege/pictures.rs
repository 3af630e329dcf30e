//! Pictures of nearly 50 megapixels that are accepted, made without an encoder: blank ones.

use std::io::Write as _;
use std::sync::LazyLock;
use std::thread;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use glimpse_tests::jpeg;

pub use crate::common::encode::blank_webp as webp;
use crate::common::encode::crc32;

/// Sides of 49 megapixels.
pub const SIDE: u32 = 7000;

/// A format's name, its content type, the longest side of which a square is accepted, and what makes it.
pub type Format = (&'static str, &'static str, u32, fn((u32, u32)) -> Vec<u8>);

/// Every format that can be made here.
pub const FORMATS: [Format; 8] = [
    ("WebP with alpha", "image/webp", SIDE, webp),
    ("GIF", "image/gif", SIDE, gif),
    ("BMP in runs", "image/bmp", SIDE, bmp),
    ("TIFF", "image/tiff", SIDE, tiff),
    ("PNG", "image/png", SIDE, png),
    ("interlaced PNG", "image/png", SIDE, interlaced_png),
    ("JPEG", "image/jpeg", SIDE, |size| jpeg(size, 0)),
    // Its coefficients are kept beside its pixels.
    ("progressive JPEG", "image/jpeg", 6700, progressive_jpeg),
];

/// Sides of the pictures that memory sizes of functions are tried with, in hundredths of the longest: each
/// has about half the pixels.
const PARTS: [u32; 7] = [100, 71, 50, 35, 25, 18, 12];

/// A format's name, and files of it.
type Files = (&'static str, Vec<Vec<u8>>);

/// Pictures of each format in several sizes, the largest first: made once, which takes long.
pub static SIZES: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let sizes = |&(name, _, longest, make): &Format| {
        let side = |part: u32| longest * part / 100;
        (name, PARTS.map(|part| make((side(part), side(part)))).to_vec())
    };
    thread::scope(|scope| {
        let formats: Vec<_> =
            FORMATS.iter().map(|format| scope.spawn(move || sizes(format))).collect();
        formats.into_iter().map(|format| format.join().unwrap()).collect()
    })
});

/// The largest that is accepted of the format whose pixels take longest.
pub fn dearest(is_accepted: impl Fn(&[u8]) -> bool) -> &'static [u8] {
    let (_, files) = SIZES.iter().find(|(name, _)| *name == "interlaced PNG").unwrap();
    files.iter().find(|file| is_accepted(file)).unwrap()
}

/// The worst that is accepted of each format.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    FORMATS.into_iter().map(|(name, kind, side, make)| (name, kind, make((side, side))))
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

/// So many bytes that are all `byte`, deflated, for each of `runs`.
fn deflated(runs: impl IntoIterator<Item = (u8, usize)>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for (byte, length) in runs {
        let block = vec![byte; length.min(1 << 20)];
        let mut left = length;
        while left > 0 {
            let part = left.min(block.len());
            encoder.write_all(&block[..part]).unwrap();
            left -= part;
        }
    }
    encoder.finish().unwrap()
}

fn png(size: (u32, u32)) -> Vec<u8> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    png_of(size, [8, 0, 0, 0, 0], &deflated([(0, (width + 1) * height)]))
}

/// 16 bits of RGBA; each row of the seven passes has Paeth's filter, which takes longest.
fn interlaced_png((width, height): (u32, u32)) -> Vec<u8> {
    const PASSES: [(u32, u32, u32, u32); 7] = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let rows = PASSES.into_iter().flat_map(|(x, y, across, down)| {
        let length = (width - x).div_ceil(across) as usize * 8;
        let rows = (height - y).div_ceil(down);
        (0..rows).flat_map(move |_| [(4, 1), (0, length)])
    });
    png_of((width, height), [16, 6, 0, 0, 1], &deflated(rows))
}

fn png_of((width, height): (u32, u32), form: [u8; 5], data: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let named = [name.as_slice(), content].concat();
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [length.as_slice(), &named, &crc32(&named).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &form].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", data), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// Grey in one strip, deflated.
fn tiff((width, height): (u32, u32)) -> Vec<u8> {
    let data = deflated([(0, width as usize * height as usize)]);
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

/// Without subsampling, in as many scans as two seconds allow: one of mean values, and nine of each
/// component's coefficients, which are zero. All codes are bits that are zero.
fn progressive_jpeg((width, height): (u32, u32)) -> Vec<u8> {
    const BANDS: u8 = 9;
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    let side = |side: u32| u16::try_from(side).unwrap().to_be_bytes();
    let one_code = |table: u8, symbol: u8| {
        let counts = [&[1][..], &[0; 15]].concat();
        segment(0xc4, &[&[table][..], &counts, &[symbol]].concat())
    };
    let components: Vec<u8> = (1..=3).flat_map(|component| [component, 0x11, 0]).collect();
    let frame = [&[8][..], &side(height), &side(width), &[3], &components].concat();
    let scan = |components: &[u8], (first, last): (u8, u8), bits: usize| {
        let listed: Vec<u8> = components.iter().flat_map(|component| [*component, 0]).collect();
        let count = u8::try_from(components.len()).unwrap();
        let head = segment(0xda, &[&[count][..], &listed, &[first, last, 0]].concat());
        [head, vec![0; bits.div_ceil(8)]].concat()
    };
    let blocks = width.div_ceil(8) as usize * height.div_ceil(8) as usize;
    let mut file = [
        b"\xff\xd8".to_vec(),
        segment(0xdb, &[&[0][..], &[16; 64]].concat()),
        segment(0xc2, &frame),
        one_code(0x00, 0),
        // 16,384 blocks without coefficients: a code, and 14 bits of what the run is longer.
        one_code(0x10, 0xe0),
        scan(&[1, 2, 3], (0, 0), 3 * blocks),
    ]
    .concat();
    for band in 0..BANDS {
        for component in 1..=3 {
            let bits = 15 * blocks.div_ceil(16_384);
            file.extend(scan(&[component], (band * 7 + 1, band * 7 + 7), bits));
        }
    }
    file.extend(b"\xff\xd9");
    file
}
