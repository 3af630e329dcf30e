//! Notifications to the service manager; without one they do nothing.

use sd_notify::NotifyState;

/// Report readiness. Where a watchdog is configured, notify it from now on while `is_alive`, from the
/// threads that serve: when those hang, so do the notifications.
pub fn ready(is_alive: impl Fn() -> bool + Send + 'static) {
    notify(NotifyState::Ready);
    if let Some(timeout) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(timeout / 3);
            loop {
                beat.tick().await;
                if is_alive() {
                    notify(NotifyState::Watchdog);
                }
            }
        });
    }
}

/// The last requests are being answered.
pub fn stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be notified");
    }
}
