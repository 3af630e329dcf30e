//! Files that are read again when they change: certificates and tokens are renewed while the service
//! runs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::Error;

const EVERY: Duration = Duration::from_secs(2);

/// Size and time of each file; a link that now names another file has others.
type State = Vec<Option<(u64, SystemTime)>>;

/// Call `reload` whenever one of `files` has changed, for ever. What cannot be used is logged, and
/// tried again after the next change.
pub async fn follow(files: Vec<PathBuf>, reload: impl Fn() -> Result<(), Error>) {
    let mut known = state(&files);
    loop {
        tokio::time::sleep(EVERY).await;
        let now = state(&files);
        if now == known {
            continue;
        }
        match reload() {
            Ok(()) => tracing::info!(?files, "read again"),
            Err(error) => tracing::warn!(%error, "still using what was read before"),
        }
        known = now;
    }
}

fn state(files: &[PathBuf]) -> State {
    let one = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.len(), found.modified().ok()?))
    };
    files.iter().map(one).collect()
}
