//! Runs of equal pixels (`BI_RLE8`, `BI_RLE4`), unpacked as Pillow's `BmpRleDecoder` does.

/// An index for each pixel, row by row; fewer where the runs end early.
///
/// What a run skips has index 0.
pub(super) fn unpack(
    file: &[u8],
    start: usize,
    nibbles: bool,
    (width, height): (usize, usize),
) -> Vec<u8> {
    let total = width * height;
    // No more than the picture: a vector that grew would take twice as much.
    let (mut pixels, mut x, mut at) = (Vec::with_capacity(total), 0, start);
    while pixels.len() < total {
        let Some([count, value]) = file.get(at..at + 2) else { break };
        at += 2;
        match (*count, *value) {
            (0, 0) => {
                pixels.resize(pixels.len().next_multiple_of(width), 0);
                x = 0;
            }
            (0, 1) => break,
            (0, 2) => {
                let Some([right, up]) = file.get(at..at + 2) else { break };
                at += 2;
                let skipped = usize::from(*right) + usize::from(*up) * width;
                pixels.resize((pixels.len() + skipped).min(total), 0);
                x = pixels.len() % width;
            }
            (0, count) => {
                let taken = usize::from(count).min(total - pixels.len());
                let bytes = if nibbles { taken.div_ceil(2) } else { taken };
                let Some(stored) = file.get(at..at + bytes) else { break };
                at += bytes;
                let both = |byte: &u8| [byte >> 4, byte & 0xf];
                match nibbles {
                    true => pixels.extend(stored.iter().flat_map(both).take(taken)),
                    false => pixels.extend(stored),
                }
                if pixels.len() == total {
                    break;
                }
                x += usize::from(count);
                at = at.next_multiple_of(2);
            }
            (count, value) => {
                let taken = usize::from(count).min(width.saturating_sub(x));
                let both = [value >> 4, value & 0xf];
                let pixel = |index: usize| if nibbles { both[index % 2] } else { value };
                pixels.extend((0..taken).map(pixel));
                x += taken;
            }
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_copies_and_skips_are_unpacked() {
        let file = [3, 7, 0, 0, 0, 3, 1, 2, 3, 0, 0, 2, 1, 0, 2, 9, 0, 1];
        assert_eq!(unpack(&file, 0, false, (3, 3)), [7, 7, 7, 1, 2, 3, 0, 9, 9]);
        assert_eq!(unpack(&[3, 0x12, 0, 1], 0, true, (3, 1)), [1, 2, 1]);
        assert_eq!(unpack(&[0, 3, 0x12, 0x30], 0, true, (3, 1)), [1, 2, 3]);
        // A run ends with its row; a file may end in between.
        assert_eq!(unpack(&[200, 5, 0], 0, false, (3, 2)), [5, 5, 5]);
    }

    #[test]
    fn runs_of_nothing_end() {
        assert!(unpack(&[9, 9].repeat(100), 0, false, (0, 0)).is_empty());
        assert_eq!(unpack(&[255, 1].repeat(1000), 0, false, (2, 2)).len(), 2);
    }
}
