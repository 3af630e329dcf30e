//! Lambda SnapStart: what is released before the snapshot, and what is made anew after the restore.
//!
//! Lambda takes the snapshot once, when a version is published, and starts every environment from it: an
//! hour or a month later, and many from the same memory. The snapshot holds the loaded model, which has
//! run once. It holds no connection, no credentials, no file of the cache, and no metric that was not
//! written; the random numbers that the AWS SDK spreads its retries with begin elsewhere in each
//! environment. Deadlines and retries belong to a request or to a load, so none outlives the snapshot.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html>.

use std::time::{Duration, Instant};

use glimpse_model_store::{FailureKind, LoadError, ModelStore, Refreshed};
use glimpse_objects::Objects;
use glimpse_telemetry::emf;
use lambda_runtime::{BoxFuture, Error, SnapStartResource};
use tokio::time::{sleep, timeout};

/// How long the source may be out of reach: the policy for a new model is made just before the version is
/// published, and IAM takes seconds to spread it. Lambda gives this phase 130.
const PERMITTING: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(2);
/// How long the tasks of closed connections get to end.
const CLOSING: Duration = Duration::from_millis(50);
/// Lambda gives the hooks after a restore 10 seconds.
const RESTORING: Duration = Duration::from_secs(8);

/// The parts of a function that a snapshot concerns; register it with the runtime.
pub struct Snapshot {
    store: ModelStore,
    objects: Objects,
}

impl Snapshot {
    /// The function's model and its access to S3.
    #[must_use]
    pub fn new(store: ModelStore, objects: Objects) -> Self {
        Self { store, objects }
    }

    /// A model that cannot be loaded fails the version's publication, not its first request.
    async fn prepare(&self) -> Result<(), LoadError> {
        self.loaded().await?;
        self.objects.disconnect();
        sleep(CLOSING).await;
        // Else each environment would report the one load as its own.
        emf::flush();
        tracing::info!("the model is loaded; ready for the snapshot");
        Ok(())
    }

    async fn loaded(&self) -> Result<(), LoadError> {
        let begun = Instant::now();
        loop {
            match self.store.get().await {
                Err(error)
                    if error.kind() == FailureKind::Unreachable && begun.elapsed() < PERMITTING =>
                {
                    tracing::info!(%error, "trying again before the snapshot");
                    sleep(AGAIN).await;
                }
                done => return done.map(drop),
            }
        }
    }

    /// The bundle is compared with its source unless its digest was configured, and loaded anew
    /// where that has another one.
    async fn restore(&self) -> Result<(), LoadError> {
        let limit = RESTORING;
        let compared = timeout(limit, self.store.refresh()).await;
        match compared.unwrap_or(Err(LoadError::Deadline { limit })) {
            Ok(Refreshed::Unchanged) => {}
            Ok(Refreshed::Swapped) => tracing::info!("the source has another bundle; it is served"),
            // The snapshot's model was verified; that its source cannot be asked makes it no worse.
            Err(error) if error.kind() == FailureKind::Unreachable => {
                tracing::warn!(%error, "the bundle cannot be compared; serving the snapshot's");
            }
            Err(error) => return Err(error),
        }
        tracing::info!("restored from the snapshot");
        Ok(())
    }
}

impl SnapStartResource for Snapshot {
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { self.prepare().await.map_err(Error::from) })
    }

    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            begin_random_numbers_anew()?;
            self.restore().await.map_err(Error::from)
        })
    }
}

/// Environments of one snapshot would spread their retries alike. Secrets and ids are drawn from the
/// kernel, which begins anew by itself.
fn begin_random_numbers_anew() -> Result<(), getrandom::Error> {
    fastrand::seed(getrandom::u64()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_environments_of_a_snapshot_draw_different_numbers() {
        let restored = || {
            fastrand::seed(7);
            begin_random_numbers_anew().unwrap();
            fastrand::u64(..)
        };
        assert_ne!(restored(), restored());
    }
}
