//! The sources that bundles are read from.

pub(crate) mod folder;
pub(crate) mod s3;
