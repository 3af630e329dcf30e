//! Pictures and the description of a bundle.

use glimpse_classifier::{Format, FormatSet, Limits, Manifest, Request, Scale, Source};

use crate::ALLOCATIONS;

/// What a reader may hold beside what it says and what its input implies.
const SLACK: u64 = 2 << 20;

/// A decoder opens and decodes within what it says that it needs.
pub fn picture(format: Format, data: &[u8]) {
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

pub fn bundle(data: &[u8]) {
    let (_, held) = ALLOCATIONS.peak_of(|| Manifest::parse(data));
    assert!(held <= SLACK + 64 * data.len() as u64, "parsing {} bytes took {held}", data.len());
}
