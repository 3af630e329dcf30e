//! What was asked of the model since the process started, for the protocols that report it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glimpse_classifier::{ClassifyError, Manifest, Prediction};

/// Counts of the model that is served; cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics(Arc<Mutex<Counts>>);

/// Of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    name: String,
    version: String,
    /// Pictures that were classified.
    pub(crate) pictures: u64,
    /// Pictures that were not.
    pub(crate) failures: u64,
    /// Runs of the model; one may be for several pictures.
    pub(crate) runs: u64,
    /// Nanoseconds of decoding and preprocessing.
    pub(crate) input_ns: u64,
    /// Nanoseconds of inference.
    pub(crate) infer_ns: u64,
    /// Milliseconds since 1970 of the last one.
    pub(crate) last_ms: u64,
}

impl Statistics {
    /// Count one result. Another model than before starts from nothing.
    pub(super) fn count(&self, manifest: &Manifest, result: &Result<Prediction, ClassifyError>) {
        let mut counts = self.counts_of(manifest);
        match result {
            Ok(prediction) => {
                let timing = &prediction.timing;
                counts.pictures += 1;
                counts.input_ns += nanoseconds(timing.decode + timing.preprocess);
                counts.infer_ns += nanoseconds(timing.infer);
            }
            Err(_) => counts.failures += 1,
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        counts.last_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    }

    /// Count one run of the model that gave results.
    pub(super) fn ran(&self, manifest: &Manifest) {
        self.counts_of(manifest).runs += 1;
    }

    fn counts_of(&self, manifest: &Manifest) -> MutexGuard<'_, Counts> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.are_of(&manifest.name, &manifest.version) {
            let (name, version) = (manifest.name.clone(), manifest.version.clone());
            *counts = Counts { name, version, ..Counts::default() };
        }
        counts
    }

    /// The counts of this model: none where another one was asked last.
    pub(crate) fn of(&self, name: &str, version: &str) -> Counts {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.are_of(name, version) { counts.clone() } else { Counts::default() }
    }
}

impl Counts {
    fn are_of(&self, name: &str, version: &str) -> bool {
        (&*self.name, &*self.version) == (name, version)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
