//! A bar on standard error for work that takes long: rate and time left.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter work shows no bar.
const DELAY: Duration = Duration::from_millis(700);
const TEMPLATE: &str = "{bar:30} {human_pos} of {human_len}  {per_sec}, {eta} left";

/// The bar; it is never shown where standard error is not a terminal.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// Hidden at first.
    pub fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), shown: !wanted }
    }

    /// A handle for the thread that counts what there is to do.
    pub fn counter(&self) -> impl Fn() + Send + 'static {
        let bar = self.bar.clone();
        move || bar.inc_length(1)
    }

    /// `done` more pictures are done; `write` prints their lines, above the bar.
    pub fn after<T>(&mut self, done: usize, write: impl FnOnce() -> T) -> T {
        if !self.shown && self.started.elapsed() > DELAY {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
        let written = self.bar.suspend(write);
        self.bar.inc(done as u64);
        written
    }

    /// Take the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
