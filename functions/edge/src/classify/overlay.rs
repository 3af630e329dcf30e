//! Explanations as files: one PNG per picture.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use glimpse_classifier::{Explanations, Prediction};

use crate::error::Error;
use crate::name::Name;
use crate::source::Failure;

/// A folder of overlays.
pub struct Overlays {
    folder: PathBuf,
    taken: RefCell<HashSet<String>>,
}

impl Overlays {
    /// Make the folder where it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::path("make the folder", folder))?;
        Ok(Self { folder: folder.to_owned(), taken: RefCell::default() })
    }

    /// Write the overlay of the picture called `name`, and give the prediction on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, name: &Name, prediction: Prediction) -> Result<Prediction, Failure> {
        let explanations = prediction.explanations.as_ref().map_or(&[][..], Explanations::as_slice);
        let overlay = explanations.first().and_then(|one| one.overlay.as_deref());
        if let Some(overlay) = overlay {
            let written = fs::write(self.folder.join(self.file_name(&name.text())), overlay);
            written.map_err(|error| Failure::Unreadable(format!("its overlay: {error}").into()))?;
        }
        Ok(prediction)
    }

    /// `cat.jpg.png` for `somewhere/cat.jpg`; with a number where that is taken.
    fn file_name(&self, name: &str) -> String {
        let last = name.rsplit('/').find(|part| !part.is_empty()).unwrap_or("picture");
        let mut taken = self.taken.borrow_mut();
        let numbered = |number: usize| match number {
            0 => format!("{last}.png"),
            number => format!("{last}-{number}.png"),
        };
        let free = (0..).map(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_one_name_in_two_folders_have_two_overlays() {
        let folder = tempfile::tempdir().unwrap();
        let overlays = Overlays::create(folder.path()).unwrap();
        let names = ["a/cat.jpg", "b/cat.jpg", "-", "s3://bucket/", "c/cat.jpg"];
        let files = names.map(|name| overlays.file_name(name));
        assert_eq!(files, ["cat.jpg.png", "cat.jpg-1.png", "-.png", "bucket.png", "cat.jpg-2.png"]);
    }
}
