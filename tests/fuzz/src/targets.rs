//! What is fuzzed, and what must hold for any bytes: no crash, bounded memory, bounded time.

use std::time::{Duration, Instant};

use glimpse_classifier::{Format, FormatSet, Limits, Manifest, Request, Scale, Source};

use crate::ALLOCATIONS;

/// Longer than any input of a target may take, on a busy machine, with counters.
const MAX_TIME: Duration = Duration::from_secs(5);
/// What a reader may hold beside what it says and what its input implies.
const SLACK: u64 = 2 << 20;

pub enum Target {
    Decoder(Format),
    Bundle,
}

impl Target {
    pub const NAMES: &str = "jpeg, png, webp, gif, bmp, tiff, heic, avif, bundle";

    pub fn named(name: &str) -> Option<Self> {
        match name {
            "bundle" => Some(Self::Bundle),
            _ => name.parse().ok().map(Self::Decoder),
        }
    }

    pub fn try_on(&self, data: &[u8]) {
        let start = Instant::now();
        match self {
            Self::Decoder(format) => decode(*format, data),
            Self::Bundle => parse_bundle(data),
        }
        let took = start.elapsed();
        assert!(took < MAX_TIME, "{took:?} for {} bytes", data.len());
    }
}

fn decode(format: Format, data: &[u8]) {
    let formats: FormatSet = [format].into_iter().collect();
    let limits = Limits { max_pixels: 250_000, max_decoded_bytes: 16 << 20, formats, ..Limits::default() };
    let (source, opening) = ALLOCATIONS.peak_of(|| Source::open(data, Request::default(), &limits));
    let input = data.len() as u64;
    assert!(opening <= SLACK + limits.max_decoded_bytes, "opening {input} bytes took {opening}");
    let Ok(source) = source else { return };
    let said = source.cost(Scale::Full).peak_bytes;
    let (_, held) = ALLOCATIONS.peak_of(|| source.decode(Scale::Full));
    assert!(
        held <= SLACK + said + 4 * input,
        "decoding {input} bytes took {held} of the {said} said"
    );
}

fn parse_bundle(data: &[u8]) {
    let (_, held) = ALLOCATIONS.peak_of(|| Manifest::parse(data));
    assert!(held <= SLACK + 64 * data.len() as u64, "parsing {} bytes took {held}", data.len());
}
