//! Files that a walk through a folder or a prefix left out, counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::names::ending;

/// So many different endings are counted one by one; files with further ones are counted together.
const ENDINGS: usize = 100;

/// The counts; cloning shares them.
#[derive(Clone, Default)]
pub struct LeftOut(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    by_ending: BTreeMap<String, u64>,
    without_ending: u64,
    other_endings: u64,
    hidden: u64,
    links: u64,
}

impl LeftOut {
    /// Count a file that is not a picture by its ending.
    pub fn add(&self, file: &Path) {
        let mut counts = self.counts();
        match ending(file) {
            None => counts.without_ending += 1,
            Some(ending)
                if counts.by_ending.len() < ENDINGS || counts.by_ending.contains_key(&ending) =>
            {
                *counts.by_ending.entry(ending).or_default() += 1;
            }
            Some(_) => counts.other_endings += 1,
        }
    }

    /// Count a hidden file or folder.
    pub fn add_hidden(&self) {
        self.counts().hidden += 1;
    }

    /// Count a link that leads out of the folder.
    pub fn add_link(&self) {
        self.counts().links += 1;
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        let counts = self.counts();
        counts.by_ending.is_empty()
            && counts.without_ending + counts.other_endings + counts.hidden + counts.links == 0
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `3 .txt, 1 without an ending, 1 hidden`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let mut endings: Vec<_> = counts.by_ending.iter().collect();
        endings.sort_by_key(|(ending, count)| (std::cmp::Reverse(**count), *ending));
        let mut parts: Vec<String> = endings
            .iter()
            .map(|(ending, count)| format!("{count} .{}", ending.escape_default()))
            .collect();
        for (count, what) in [
            (counts.without_ending, "without an ending"),
            (counts.other_endings, "with other endings"),
            (counts.hidden, "hidden"),
            (counts.links, "linked from outside"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_ending_is_named_first() {
        let left_out = LeftOut::default();
        assert!(left_out.is_empty());
        for name in ["a.txt", "b", "c.PDF", "d.pdf", "e.\n"] {
            left_out.add(Path::new(name));
        }
        left_out.add_hidden();
        assert_eq!(left_out.to_string(), "2 .pdf, 1 .\\n, 1 .txt, 1 without an ending, 1 hidden");
    }

    #[test]
    fn a_folder_of_countless_endings_takes_little_memory() {
        let left_out = LeftOut::default();
        (0..1000).for_each(|number| left_out.add(Path::new(&format!("a.{number}"))));
        assert!(left_out.to_string().ends_with("900 with other endings"));
    }
}
