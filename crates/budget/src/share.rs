//! How the memory of a process is divided.

use crate::memory;

/// Names of the variables and ranges.
pub mod settings {
    use glimpse_settings::Number;

    /// Bytes for bodies and pictures; the default depends on the machine.
    pub const MEMORY_BUDGET: Number<u64> =
        Number::new("GLIMPSE_MEMORY_BUDGET", u64::MAX, 1 << 20..=u64::MAX);
}

/// Kept free beside the budget, of the whole: threads, connections, what allocators hold.
const SPARE_DIVISOR: u64 = 10;
/// The budget is never less, even where the model leaves nothing.
const LEAST: u64 = 16 << 20;

/// The memory for what comes from outside, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// For pictures that are decoded.
    pub pictures: u64,
    /// For request bodies, with what is unpacked of them.
    pub bodies: u64,
}

impl Share {
    /// Of `GLIMPSE_MEMORY_BUDGET` where it is set, else of what the process may take, less what it
    /// takes now: ask once the model is loaded.
    #[must_use]
    pub fn now(setting: Option<u64>) -> Self {
        Self::beside(setting, 0)
    }

    /// The same while `taken` bytes of a budget are in use.
    #[must_use]
    pub fn beside(setting: Option<u64>, taken: u64) -> Self {
        let own = || memory::resident().saturating_sub(taken);
        Self::of(setting.unwrap_or_else(|| Self::left(memory::limit(), own())))
    }

    /// A third is for bodies.
    pub(crate) fn of(bytes: u64) -> Self {
        let bodies = bytes / 3;
        Self { pictures: bytes - bodies, bodies }
    }

    /// The budget of a process that may take `limit` bytes and takes `resident` with its model.
    pub(crate) fn left(limit: u64, resident: u64) -> u64 {
        (limit - limit / SPARE_DIVISOR).saturating_sub(resident).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabyte_holds_the_dearest_picture_beside_the_default_model() {
        let share = Share::of(Share::left(1 << 30, 100 << 20));
        assert!(share.pictures > 420 << 20, "{share:?}");
        assert!(share.bodies > 200 << 20, "{share:?}");
    }

    #[test]
    fn too_little_is_still_something() {
        assert_eq!(Share::left(100, 200), LEAST);
    }

    #[test]
    fn a_setting_is_taken_as_it_is() {
        assert_eq!(Share::now(Some(300)), Share { pictures: 200, bodies: 100 });
    }
}
