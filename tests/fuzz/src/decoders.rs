//! Pictures and the description of a bundle.

use glimpse_classifier::{Format, FormatSet, Limits, Manifest, Request, Scale, Source};

use crate::ALLOCATIONS;

/// What a reader may hold beside what it says and what its input implies.
const SLACK: u64 = 2 << 20;

/// What `image-webp` asks of the system for a partition of a lossy picture before it reads it: whatever 24
/// bits announce. Pages that nothing is read into are never touched, so no budget counts them.
const UNTOUCHED: u64 = 16 << 20;

/// A decoder opens and decodes within what it says that it needs.
pub fn picture(format: Format, data: &[u8]) {
    let formats: FormatSet = [format].into_iter().collect();
    let limits =
        Limits { max_pixels: 250_000, max_decoded_bytes: 16 << 20, formats, ..Limits::default() };
    let (source, opening) = ALLOCATIONS.peak_of(|| Source::open(data, Request::default(), &limits));
    let input = data.len() as u64;
    assert!(opening <= SLACK + limits.max_decoded_bytes, "opening {input} bytes took {opening}");
    let Ok(source) = source else { return };
    let said = source.cost(Scale::Full).peak_bytes;
    let (_, held) = ALLOCATIONS.peak_of(|| source.decode(Scale::Full));
    let untouched = if format == Format::WebP { UNTOUCHED } else { 0 };
    assert!(
        held <= SLACK + said + untouched + 4 * input,
        "decoding {input} bytes took {held} of the {said} said"
    );
}

pub fn bundle(data: &[u8]) {
    let (_, held) = ALLOCATIONS.peak_of(|| Manifest::parse(data));
    assert!(held <= SLACK + 64 * data.len() as u64, "parsing {} bytes took {held}", data.len());
}
