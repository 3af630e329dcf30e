//! What a large picture leaves behind.

use std::fs::read_to_string;

use glimpse_tests::event;
use image::{DynamicImage, ImageFormat, RgbImage};

use crate::common::api::coffee;
use crate::common::encode::encode;
use crate::function::Stack;

/// 30 MB of pixels: less than what the C library would map apart by the settings of a load.
const SIZE: (u32, u32) = (4000, 2500);
/// What the heap keeps for the next run, and a little.
const KEPT: u64 = 20 << 20;

#[test]
fn a_large_pictures_memory_is_returned_once_it_is_answered() {
    let stack = Stack::new();
    let function = stack.start();
    let picture = RgbImage::from_fn(SIZE.0, SIZE.1, |x, _| image::Rgb([x.to_le_bytes()[0]; 3]));
    let picture = encode(&DynamicImage::ImageRgb8(picture), ImageFormat::Png);
    let ask = |picture: &[u8]| {
        let (status, answer) = event::answer(&function.invoke(&event::predict(picture)));
        assert_eq!(status, 200, "{answer}");
        resident(function.function().unwrap())
    };
    let before = ask(&coffee()).max(ask(&coffee()));
    let after = ask(&picture);
    assert!(after < before + KEPT, "{before} bytes before, {after} after");
}

fn resident(process: i32) -> u64 {
    let status = read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
