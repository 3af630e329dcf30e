//! The marker segments of a JPEG file, without decoding anything (ITU-T T.81, annex B).

use std::iter::from_fn;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// The segments before the first scan: each marker with its content.
pub(in crate::decode) fn before_scans(encoded: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    segments(encoded).take_while(|(marker, _)| !matches!(*marker, SCAN | END))
}

/// How many scans the file seems to have; at least 1.
pub(super) fn count_scans(encoded: &[u8]) -> u64 {
    segments(encoded).filter(|(marker, _)| *marker == SCAN).count().max(1) as u64
}

/// Every marker with the content of its segment, up to a segment that reaches beyond the file.
fn segments(encoded: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = encoded;
    from_fn(move || {
        let marker = next_marker(&mut rest)?;
        if matches!(marker, START | END) {
            return Some((marker, &[][..])); // the two markers without a length
        }
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let content = rest.get(2..length)?;
        rest = rest.get(length..)?;
        Some((marker, content))
    })
}

/// Skips junk and entropy-coded data, with its stuffed zeros and restart markers.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    loop {
        let at = rest.iter().position(|&byte| byte == 0xff)?;
        let marker = *rest.get(at + 1)?;
        // A fill byte may be the first byte of the marker that follows.
        *rest = &rest[at + if marker == 0xff { 1 } else { 2 }..];
        if !matches!(marker, 0x00 | 0x01 | 0xd0..=0xd7 | 0xff) {
            return Some(marker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"\xff\xd8junk\xff\xff\xe1\0\x06\xff\xd9xx\xff\xda\0\x03sdata\xff\0\xff\xd0data\xff\xda\0\x02\xff\xd9";

    #[test]
    fn segments_are_found_behind_junk_and_fill_bytes() {
        let found: Vec<_> = before_scans(FILE).collect();
        assert_eq!(found, [(START, &b""[..]), (0xe1, b"\xff\xd9xx")]);
        assert_eq!(count_scans(FILE), 2);
    }

    #[test]
    fn a_cut_file_ends_the_segments() {
        for length in 0..FILE.len() {
            assert!(before_scans(&FILE[..length]).count() <= 2, "{length} bytes");
            assert!(count_scans(&FILE[..length]) <= 2, "{length} bytes");
        }
        assert_eq!(segments(b"\xff\xe1\0\0").count(), 0);
    }
}
