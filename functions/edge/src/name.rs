//! What a picture is called in a record.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A path, a URI, or `-` for standard input. The path of a file need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Form", from = "Form")]
pub struct Name(Vec<u8>);

/// In a record: `file` is for people, and for programs too where the name is UTF-8; another name is
/// in `file_base64` as well, without loss.
#[derive(Serialize, Deserialize)]
struct Form {
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_base64: Option<String>,
}

impl Name {
    /// Whether there is something under this name in `folder`. What cannot be looked for counts as there,
    /// such as a file on a disk that is not mounted.
    pub fn is_in(&self, folder: &Path) -> bool {
        let path = folder.join(OsStr::from_bytes(&self.0));
        let gone = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
        let is_gone = path.symlink_metadata().err().is_some_and(gone);
        !(is_gone && path.parent().is_some_and(Path::is_dir))
    }

    /// The name as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<Name> for Form {
    fn from(name: Name) -> Self {
        match String::from_utf8(name.0) {
            Ok(file) => Self { file, file_base64: None },
            Err(error) => {
                let file_base64 = Some(STANDARD.encode(error.as_bytes()));
                Self { file: String::from_utf8_lossy(error.as_bytes()).into_owned(), file_base64 }
            }
        }
    }
}

impl From<Form> for Name {
    fn from(form: Form) -> Self {
        let bytes = form.file_base64.and_then(|text| STANDARD.decode(text).ok());
        Self(bytes.unwrap_or_else(|| form.file.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_kept_without_loss() {
        let name = Name::from(Path::new(OsStr::from_bytes(b"caf\xe9.jpg")));
        let text = serde_json::to_string(&name).unwrap();
        assert_eq!(text, "{\"file\":\"caf\u{fffd}.jpg\",\"file_base64\":\"Y2Fm6S5qcGc=\"}");
        assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), name);
        let twin = Name::from(Path::new(OsStr::from_bytes(b"caf\xe8.jpg")));
        assert_ne!(twin, name);
    }

    #[test]
    fn a_plain_name_is_text_alone() {
        let name = Name::from("a.jpg".to_owned());
        assert_eq!(serde_json::to_string(&name).unwrap(), r#"{"file":"a.jpg"}"#);
        assert_eq!(serde_json::from_str::<Name>(r#"{"file":"a.jpg"}"#).unwrap(), name);
    }
}
