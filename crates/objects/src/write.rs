//! Writing an object only where what is there is what the writer knows.

use crate::Objects;
use crate::error::ObjectError;
use crate::location::{Location, quoted};

/// What has to hold for an object to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// There is no object (`If-None-Match: *`).
    Absent,
    /// The object has this `ETag`, without quotes (`If-Match`).
    Etag(&'a str),
}

/// An object to be written.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Objects {
    /// Write the object if `condition` holds at that moment.
    ///
    /// # Errors
    /// [`ObjectError::Changed`] where the condition does not hold, or another write was under way.
    pub async fn put(
        &self,
        location: &Location,
        object: NewObject,
        condition: Condition<'_>,
    ) -> Result<(), ObjectError> {
        let request = self
            .client(&location.bucket)
            .await?
            .put_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .content_type(object.content_type)
            .body(object.bytes.into());
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Etag(etag) => request.if_match(quoted(etag)),
        };
        request.send().await.map_err(|error| match ObjectError::from(error) {
            // What was to be replaced has been deleted.
            ObjectError::NotFound { source } => ObjectError::Changed { source },
            error => error,
        })?;
        Ok(())
    }
}
