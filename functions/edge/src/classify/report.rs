//! What could not be classified, told at the end.

use std::io::Write;

use super::output::printable;
use crate::source::Failure;

/// More are counted, not named: a million names help nobody.
const NAMED: usize = 50;

/// Counts and names pictures without a label.
#[derive(Default)]
pub struct Report {
    all: usize,
    broken: usize,
    named: Vec<(String, Failure)>,
}

impl Report {
    /// Add a picture, with why it has no label.
    pub fn add(&mut self, name: String, failure: Option<Failure>) {
        self.all += 1;
        if let Some(failure) = failure {
            self.broken += 1;
            if self.named.len() < NAMED {
                self.named.push((name, failure));
            }
        }
    }

    /// Whether every picture has a label.
    pub fn is_clean(&self) -> bool {
        self.broken == 0
    }

    /// Print it, if there is anything to tell.
    pub fn print(&self, to: &mut impl Write) {
        if self.is_clean() {
            return;
        }
        let mut text = format!("{} of {} could not be classified:\n", self.broken, self.all);
        for (name, failure) in &self.named {
            let name: String = name.chars().map(printable).collect();
            text.push_str(&format!("  {name}: {failure}\n"));
        }
        if self.broken > self.named.len() {
            text.push_str(&format!("  and {} more\n", self.broken - self.named.len()));
        }
        // Where standard error is closed there is nobody to tell.
        let _ = to.write_all(text.as_bytes());
    }
}
