//! How long work takes at most on the processors that there are.

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use glimpse_settings::{SettingError, Strings};

use crate::lambda;

/// Megabytes that give a function one processor.
pub(crate) const PROCESSOR: u32 = 1769;
/// Work may take so many times its estimate.
pub(crate) const ERROR: u32 = 2;

/// The processor time for each of the works that an [`Admission`](crate::Admission) lets run at the same
/// time. A Lambda function has a part of what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Of all of them, as the memory size that gives it.
    megabytes: u32,
    at_once: u32,
}

impl Pace {
    /// Of the function's memory size; elsewhere of the machine.
    ///
    /// # Errors
    /// When a variable is not text.
    pub fn read(environment: &impl Strings) -> Result<Self, SettingError> {
        let memory = lambda::memory(environment)?;
        let megabytes = memory.and_then(|memory| u32::try_from(memory.megabytes).ok());
        Ok(Self::on(thread::available_parallelism().map_or(1, NonZero::get), megabytes))
    }

    fn on(processors: usize, megabytes: Option<u32>) -> Self {
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        let all = processors.saturating_mul(PROCESSOR);
        // As an admission has them.
        let at_once = processors.max(2);
        Self { megabytes: megabytes.map_or(all, |megabytes| megabytes.clamp(1, all)), at_once }
    }

    /// The longest that work may take whose `time` on one processor is estimated.
    #[must_use]
    pub fn longest(self, time: Duration) -> Duration {
        let demand = self.at_once.saturating_mul(PROCESSOR).max(self.megabytes);
        time.saturating_mul(ERROR).saturating_mul(demand) / self.megabytes
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::on(thread::available_parallelism().map_or(1, NonZero::get), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_processor_is_shared() {
        let longest = |processors, megabytes| {
            Pace::on(processors, megabytes).longest(Duration::from_secs(2)).as_secs()
        };
        // Whatever is accepted is done within the least time limit that the template takes.
        assert_eq!(longest(2, Some(256)), 55);
        assert_eq!(
            [longest(2, Some(885)), longest(2, Some(1769)), longest(2, Some(3538))],
            [15, 8, 4]
        );
        assert_eq!([longest(1, None), longest(2, None), longest(64, None)], [8, 4, 4]);
        // Larger instances have more memory for each processor.
        assert_eq!(longest(2, Some(16_384)), 4);
        assert!(longest(2, Some(0)) > 1000);
    }

    #[test]
    fn it_follows_the_memory_size() {
        let of = |megabytes| Pace::read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)]).unwrap();
        assert!(
            of("256").longest(Duration::from_secs(1)) > of("512").longest(Duration::from_secs(1))
        );
        assert_eq!(Pace::read(&[]).unwrap(), Pace::default());
    }
}
