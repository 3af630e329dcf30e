//! What could not be classified, reported at the end.

use std::io::Write;

use super::output::printable;
use crate::name::Name;
use crate::source::{Failure, LeftOut};

/// Further ones are counted, not named.
const NAMED: usize = 50;

/// Counts and names pictures without a label.
#[derive(Default)]
pub struct Report {
    all: usize,
    broken: usize,
    named: Vec<(Name, Failure)>,
}

impl Report {
    /// Add a picture, with why it has no label.
    pub fn add(&mut self, name: Name, failure: Option<Failure>) {
        self.all += 1;
        if let Some(failure) = failure {
            self.broken += 1;
            if self.named.len() < NAMED {
                self.named.push((name, failure));
            }
        }
    }

    /// Whether every picture has a label, and pictures were found where there are files.
    pub fn is_clean(&self, left_out: &LeftOut) -> bool {
        self.broken == 0 && (self.all > 0 || left_out.is_empty())
    }

    /// Print the report, if there is anything to report.
    pub fn print(&self, left_out: &LeftOut, to: &mut impl Write) {
        let mut text = String::new();
        if !left_out.is_empty() {
            text.push_str(&format!("left out, as not pictures: {left_out}\n"));
        }
        if self.broken > 0 {
            self.list(&mut text);
        }
        // Standard error may be closed.
        let _ = to.write_all(text.as_bytes());
    }

    fn list(&self, text: &mut String) {
        text.push_str(&format!("{} of {} could not be classified:\n", self.broken, self.all));
        for (name, failure) in &self.named {
            let name: String = name.text().chars().map(printable).collect();
            text.push_str(&format!("  {name}: {failure}\n"));
        }
        if self.broken > self.named.len() {
            text.push_str(&format!("  and {} more\n", self.broken - self.named.len()));
        }
    }
}
