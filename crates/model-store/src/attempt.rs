//! Bundles that took too long are not tried again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::Sha256Digest;
use crate::error::LoadError;

/// The last bundle that took too long.
#[derive(Default)]
pub(crate) struct GivenUp(Mutex<Option<Sha256Digest>>);

/// A bundle that is being loaded or tried. Dropped before [`Attempt::done`], it had no more time;
/// where most of the time was its own, it is remembered.
pub(crate) struct Attempt<'a> {
    given_up: &'a GivenUp,
    digest: Sha256Digest,
    begun: Instant,
    limit: Duration,
    is_done: bool,
}

impl GivenUp {
    /// Refuse a bundle that took too long before.
    pub(crate) fn check(&self, digest: Sha256Digest) -> Result<(), LoadError> {
        match *self.digest() {
            Some(given_up) if given_up == digest => Err(LoadError::GivenUp { digest }),
            _ => Ok(()),
        }
    }

    /// Begin to load or try a bundle, in a load that may take `limit`.
    pub(crate) fn attempt(&self, digest: Sha256Digest, limit: Duration) -> Attempt<'_> {
        Attempt { given_up: self, digest, begun: Instant::now(), limit, is_done: false }
    }

    fn digest(&self) -> MutexGuard<'_, Option<Sha256Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// It succeeded or failed by itself.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_done && self.begun.elapsed() * 2 > self.limit {
            *self.given_up.digest() = Some(self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_used_the_time_itself_is_remembered() {
        let (given_up, digest) = (GivenUp::default(), Sha256Digest::of(b"bundle"));
        drop(given_up.attempt(digest, Duration::from_secs(60)));
        given_up.attempt(digest, Duration::ZERO).done();
        assert!(given_up.check(digest).is_ok());
        drop(given_up.attempt(digest, Duration::ZERO));
        assert!(matches!(given_up.check(digest), Err(LoadError::GivenUp { .. })));
        assert!(given_up.check(Sha256Digest::of(b"another")).is_ok());
    }
}
