//! Whether a JPEG file is all there: its decoder fills what is missing with grey and says nothing.

const END: u8 = 0xd9;

/// Whether the end-of-image marker comes after the last scan (ITU-T T.81, annex B).
///
/// A label for half a picture would be a wrong answer, so a truncated one is refused, as Pillow does.
pub(crate) fn is_complete(encoded: &[u8]) -> bool {
    // Nearly always. Should a truncated file end with these bytes, it was cut inside a segment before
    // the first scan (a thumbnail, for instance), and then the decoder itself refuses it.
    encoded.ends_with(&[0xff, END]) || ends_inside(encoded)
}

/// Walk the markers, for files with something behind the end.
fn ends_inside(encoded: &[u8]) -> bool {
    let mut rest = encoded;
    while let Some(marker) = next_marker(&mut rest) {
        match marker {
            END => return true,
            // The beginning alone has no length.
            0xd8 => {}
            _ => {
                let Some((length, _)) = rest.split_first_chunk() else { return false };
                let Some(behind) = rest.get(usize::from(u16::from_be_bytes(*length))..) else {
                    return false;
                };
                rest = behind;
            }
        }
    }
    false
}

/// Skips entropy-coded data, with its stuffed zeros and restart markers.
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

    const HEAD: &[u8] = b"\xff\xd8\xff\xe1\0\x06\xff\xd9xx\xff\xda\0\x02data\xff\0\xff\xd0data";

    #[test]
    fn the_end_is_found_before_trailing_bytes() {
        for tail in
            [&b"\xff\xd9"[..], b"\xff\xff\xd9", b"\xff\xd9\0\0", b"\xff\xc4\0\x03x\xff\xd9 "]
        {
            assert!(is_complete(&[HEAD, tail].concat()), "{tail:?}");
        }
    }

    #[test]
    fn an_end_inside_a_segment_or_a_scan_is_none() {
        assert!(!is_complete(HEAD));
        for length in 4..HEAD.len() {
            let cut_after_thumbnail = length == 8;
            assert_eq!(is_complete(&HEAD[..length]), cut_after_thumbnail, "{length} bytes");
        }
        assert!(!is_complete(b""));
        assert!(!is_complete(b"\xff"));
        assert!(!is_complete(b"\xff\xd8\xff\xe1\xff"));
    }
}
