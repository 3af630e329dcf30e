//! Files that are read again when they change: certificates and tokens are renewed while the service
//! runs.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::stamp::Stamp;

const EVERY: Duration = Duration::from_secs(2);

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

/// A link that now names another file has another stamp.
fn state(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::of(file)).collect()
}
