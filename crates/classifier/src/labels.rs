//! `labels.txt`: one human-readable label per line, line number = class index.

use crate::error::BundleError;

/// Some editors write it; as a part of the first label it would be unseen, and equal no other.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The labels of a bundle, in class order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Vec<String>);

impl Labels {
    /// Parse `labels.txt`; a byte-order mark, a final newline and `\r\n` are accepted, an empty label is not.
    ///
    /// # Errors
    /// When the text is not UTF-8, is empty, or has an empty line.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        let text = std::str::from_utf8(text).map_err(|_| BundleError::Labels("is not UTF-8"))?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let labels: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        if labels.is_empty() {
            return Err(BundleError::Labels("is empty; it needs one label a line"));
        }
        if labels.iter().any(String::is_empty) {
            return Err(BundleError::Labels("has an empty line; line number is class index"));
        }
        Ok(Self(labels))
    }

    /// The label of a class.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(String::as_str)
    }

    /// Number of classes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true for parsed labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_number_is_class_index() {
        let labels = Labels::parse("tabby cat\r\nKüche\n".as_bytes()).unwrap();
        assert_eq!(labels.len(), 2);
        assert_eq!(labels.get(1), Some("Küche"));
        assert_eq!(labels.get(2), None);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_label() {
        let labels = Labels::parse("\u{feff}tabby\nKüche\n".as_bytes()).unwrap();
        assert_eq!(labels.get(0), Some("tabby"));
        assert!(Labels::parse("\u{feff}\n".as_bytes()).is_err());
    }

    #[test]
    fn a_line_that_would_shift_the_classes_is_refused() {
        for text in [&b""[..], b"a\n\nb\n", b"\xff\n"] {
            assert!(Labels::parse(text).is_err(), "{text:?}");
        }
    }
}
