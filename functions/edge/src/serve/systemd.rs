//! Words to the service manager; without one they go nowhere.

use sd_notify::NotifyState;

/// Requests can come. Where a watchdog is asked for, it hears from now on that this process lives:
/// from the threads that serve, so it hears nothing when those hang.
pub fn ready() {
    tell(NotifyState::Ready);
    if let Some(patience) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(patience / 3);
            loop {
                beat.tick().await;
                tell(NotifyState::Watchdog);
            }
        });
    }
}

/// The last requests are being answered.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
