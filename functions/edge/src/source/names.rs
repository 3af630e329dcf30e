//! Which files are pictures, by their names. The table is the training package's: both leave out the
//! same files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

const TABLE: &str = include_str!("../../../../models/glimpse_models/data/picture_files.json");

/// All names are lower case.
#[derive(Default, Deserialize)]
struct Table {
    endings: BTreeSet<String>,
    hidden_prefixes: Vec<String>,
    system_names: BTreeSet<String>,
}

static NAMES: LazyLock<Table> = LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

/// Whether the last part of the path has a picture's ending, in any case, and is not hidden:
/// temporary files of other programs are.
pub fn is_picture(path: &Path) -> bool {
    !is_hidden(path) && ending(path).is_some_and(|ending| NAMES.endings.contains(&ending))
}

/// Whether the last part of the path belongs to a system or a tool: `.git`, `__MACOSX`, `Thumbs.db`.
pub fn is_hidden(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let hidden = |prefix: &String| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    let is_system = |name: &str| NAMES.system_names.contains(&name.to_lowercase());
    NAMES.hidden_prefixes.iter().any(hidden) || name.to_str().is_some_and(is_system)
}

/// The ending of the name, in lower case and without the dot.
pub fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_count_in_any_case_and_whatever_the_rest_of_the_name() {
        for name in
            ["a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.b.Png", "a.heic", "a.avif", "\u{fffd}.tif"]
        {
            assert!(is_picture(Path::new(name)), "{name}");
        }
        for name in ["a.txt", "a", "jpg", ".jpg", "._a.jpg", "a.jpg.part", "a.svg"] {
            assert!(!is_picture(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn names_of_systems_and_tools_are_hidden() {
        let hidden =
            ["__MACOSX", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini", ".DS_Store", "@eaDir"];
        for name in hidden {
            assert!(is_hidden(&Path::new("folder").join(name)), "{name}");
        }
        assert!(!is_hidden(Path::new(".hidden/a.jpg")) && !is_hidden(Path::new("..")));
    }
}
