//! SIGINT and SIGTERM: the first asks to end well, the second ends at once.

use std::process;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{EXIT_INTERRUPTED, Error};

/// Time for threads that open the library or run a picture to finish at the end; otherwise the library
/// would be unloaded while in use.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Whether the process was asked to end; cloning shares it.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listen from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub fn listen() -> Result<Self, Error> {
        let failed = "cannot wait for signals";
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::system(failed))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::system(failed))?;
        let (asked, stop) = watch::channel(false);
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            next().await;
            asked.send_replace(true);
            next().await;
            process::exit(i32::from(EXIT_INTERRUPTED));
        });
        Ok(Self(stop))
    }

    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Wait until it is.
    pub async fn wait(&self) {
        // The sender lives as long as the runtime that would wait.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }

    /// `work`, or nothing where it was asked before that was done.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wait() => None,
        }
    }
}
