//! How slow a processor of this machine is, beside the one that costs of images are estimated for.

use std::time::Duration;

use glimpse_classifier::{Limits, Request, Scale, Source};
use rustix::time::{ClockId, clock_gettime};

/// Sides of the image that is decoded: it takes milliseconds.
const SIDE: u32 = 700;
/// Its best time of so many counts.
const RUNS: u32 = 3;
/// Longer steps than errors of the measurement: up to twice its estimate, the image takes what is estimated.
const STEPS: [u32; 3] = [8, 4, 2];

/// So many times slower: 1, 2, 4 or 8.
pub fn slowness() -> u32 {
    let picture = blank();
    let times = (0..RUNS).filter_map(|_| decode(&picture));
    let Some((estimate, best)) = times.min_by_key(|(_, time)| *time) else { return 1 };
    steps(best, estimate)
}

fn steps(time: Duration, estimate: Duration) -> u32 {
    STEPS.into_iter().find(|step| time >= estimate * *step).unwrap_or(1)
}

/// Estimate and time of this thread's processor.
fn decode(picture: &[u8]) -> Option<(Duration, Duration)> {
    let source = Source::open(picture, Request::default(), &Limits::default()).ok()?;
    let (estimate, before) = (source.cost(Scale::Full).time, processor_time()?);
    source.decode(Scale::Full).ok()?;
    Some((estimate, processor_time()?.checked_sub(before)?))
}

/// Other programs do not count.
fn processor_time() -> Option<Duration> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanoseconds))
}

/// A lossless WebP with alpha: five codes of one symbol, which take no bits.
fn blank() -> Vec<u8> {
    let size = ((SIDE - 1) | (SIDE - 1) << 14 | 1 << 28).to_le_bytes();
    [b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f".as_slice(), &size, b"\x88\x88\x08\0\0"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_measured_by_an_image_that_is_decoded() {
        let (estimate, time) = decode(&blank()).unwrap();
        assert!(estimate > Duration::from_millis(1) && time > Duration::ZERO);
        println!("{:.2} of the estimate", time.as_secs_f32() / estimate.as_secs_f32());
        assert!([1, 2, 4, 8].contains(&slowness()));
    }

    #[test]
    fn small_differences_do_not_count() {
        let of =
            |milliseconds| steps(Duration::from_millis(milliseconds), Duration::from_millis(10));
        assert_eq!([3, 19, 20, 39, 41, 100, 1000].map(of), [1, 1, 2, 2, 4, 8, 8]);
    }
}
