//! TIFF directories that claim what their file does not hold: opening one takes memory and time in
//! proportion to the file, whatever its tags say.
//!
//! A binary of its own, because it measures what the whole process allocates.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use glimpse_classifier::{Limits, Request, Scale, Source};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What one test allocates would be measured by another.
static TURN: Mutex<()> = Mutex::new(());

const ENTRY: usize = 12;
const DIRECTORY: usize = 8;

fn limits() -> Limits {
    Limits { max_decoded_bytes: 16 << 20, ..Limits::default() }
}

/// A picture of 8 × 8 pixels with every tag that a decoder looks at, in a file of 1,322 bytes.
fn file(compression: u32) -> Vec<u8> {
    let behind = 1000;
    let entries: [(u16, u16, u32, u32); 24] = [
        (256, 4, 1, 8),
        (257, 4, 1, 8),
        (258, 3, 3, behind),
        (259, 4, 1, compression),
        (262, 4, 1, 2),
        (266, 4, 1, 1),
        (273, 4, 1, behind),
        (277, 4, 1, 3),
        (278, 4, 1, 8),
        (279, 4, 1, 192),
        (284, 4, 1, 1),
        (292, 4, 1, 0),
        (317, 4, 1, 1),
        (320, 3, 48, behind),
        (338, 4, 1, 0),
        (339, 4, 1, 1),
        (347, 7, 100, behind),
        (513, 4, 1, behind),
        (514, 4, 1, 100),
        (519, 4, 3, behind),
        (520, 4, 3, behind),
        (521, 4, 3, behind),
        (530, 3, 2, 0x0001_0001),
        (700, 1, 100, behind),
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.resize(1322, 0);
    file[1000..1006].copy_from_slice(&[8, 0, 8, 0, 8, 0]);
    file
}

/// The most bytes that opening the file held, and decoding it beyond what it had announced.
fn measure(file: &[u8]) -> (usize, usize) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let source = Source::open(file, Request::default(), &limits());
    let opening = ALLOCATED.peak_usage().saturating_sub(before);
    let Ok(source) = source else { return (opening, 0) };
    let announced = usize::try_from(source.cost(Scale::Full).peak_bytes).unwrap();
    ALLOCATED.reset_peak_usage();
    let _ = source.decode(Scale::Full);
    let decoding = ALLOCATED.peak_usage().saturating_sub(before);
    (opening, decoding.saturating_sub(announced.min(16 << 20)))
}

#[test]
fn no_tag_makes_opening_a_small_file_take_more_than_the_file() {
    let _turn = TURN.lock();
    let valid = file(1);
    let picture = Source::open(&valid, Request::default(), &limits()).unwrap();
    assert_eq!(picture.decode(Scale::Full).unwrap().pixels.dimensions(), (8, 8));
    let extremes = [0, 1, 7, 1000, 0xffff, 0x1_0000, 0x7fff_ffff, u32::MAX];
    for compression in [1, 2, 3, 4, 5, 6, 7, 8, 32_773, 50_000] {
        let valid = file(compression);
        for entry in 0..24 {
            let at = DIRECTORY + 2 + entry * ENTRY;
            for kind in [1_u16, 3, 4, 5, 12, 16] {
                for count in extremes {
                    for value in extremes {
                        let mut file = valid.clone();
                        file[at + 2..at + 4].copy_from_slice(&kind.to_le_bytes());
                        file[at + 4..at + 8].copy_from_slice(&count.to_le_bytes());
                        file[at + 8..at + 12].copy_from_slice(&value.to_le_bytes());
                        let (opening, beyond) = measure(&file);
                        let what = format!("{compression}: {entry} {kind} {count} {value}");
                        assert!(opening < 64 * file.len(), "{what}: opening took {opening}");
                        assert!(beyond < 1 << 20, "{what}: decoding took {beyond} more");
                    }
                }
            }
        }
    }
}

/// Each of 60,000 directories has 65,535 entries, which lie over each other.
#[test]
fn directories_that_overlap_are_counted_without_being_read() {
    let _turn = TURN.lock();
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    let entries = 65_535;
    file.resize(8 + 60_000 * 4 + entries * ENTRY + 8, 0);
    for page in 0..60_000 {
        let at = 8 + page * 4;
        let after = u32::try_from(at + 4).unwrap();
        file[at..at + 2].copy_from_slice(&u16::MAX.to_le_bytes());
        let next = at + 2 + entries * ENTRY;
        file[next..next + 4].copy_from_slice(&after.to_le_bytes());
    }
    let started = Instant::now();
    assert!(Source::open(&file, Request::default(), &limits()).is_err());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
