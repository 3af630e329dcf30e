//! Memory for a session, made ready before there is one.
//!
//! The kernel gives memory page by page, when each is written to for the first time. That is a good half
//! of the time in which a session of an int8 `ResNet50` is created, and it happens on one thread, while
//! nothing else is left to do. So most of these pages are taken before that, beside the reading of
//! the model, on a thread of their own.

use std::hint::black_box;

/// Far below the size from which a block is mapped apart: what is freed stays in the one heap.
const BLOCK: usize = 4 << 20;
const PAGE: usize = 4 << 10;
/// A session takes about three times the bytes of its graph. The bytes themselves become room for it
/// too, so what is made ready beside them is less: more than this would stay unused, and in memory.
const EIGHTHS_OF_GRAPH: u64 = 12;
/// Of a large model the rest is left to the session: it would come too late.
const MOST: u64 = 64 << 20;

/// Take memory that a session of a graph of `bytes` will need, and free it for that. For a process whose
/// threads [share one heap](crate::process::share_one_heap) and keep what is freed.
pub fn make_ready(bytes: u64) {
    // All of them, then one after the other: a block that was freed would be given out again.
    let blocks: Vec<Vec<u8>> = (0..blocks(bytes)).map(|_| Vec::with_capacity(BLOCK)).collect();
    for mut block in blocks {
        for byte in block.spare_capacity_mut().iter_mut().step_by(PAGE) {
            byte.write(0);
        }
        black_box(block);
    }
}

fn blocks(bytes: u64) -> u64 {
    (bytes.min(MOST) * EIGHTHS_OF_GRAPH / 8).min(MOST) / BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_ready_grows_with_the_graph_up_to_a_limit() {
        assert_eq!(blocks(0), 0);
        assert_eq!(blocks(24_400_000), 8);
        assert_eq!(blocks(u64::MAX), 16);
        make_ready(8 << 20);
    }
}
