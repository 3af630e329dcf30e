//! Parts of a request, read under limits.

pub(crate) mod base64;
pub(crate) mod body;
pub(crate) mod bounded;
pub(crate) mod encoding;
pub(crate) mod page;
pub(crate) mod segment;
pub(crate) mod strict_object;
pub(crate) mod uint;
