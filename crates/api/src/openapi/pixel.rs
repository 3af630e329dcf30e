//! The image of the document's examples.

/// A PNG of one pixel, as base64.
pub(crate) const PIXEL: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg",
    "gg=="
);
