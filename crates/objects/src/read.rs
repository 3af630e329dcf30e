//! Whole objects under a limit, what is known of them, and lists of them.

use crate::Objects;
use crate::error::ObjectError;
use crate::location::{Location, Version};

/// An object that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which version it is.
    pub version: Version,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A part of a list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In their order.
    pub keys: Vec<String>,
    /// Where the list continues, unless this is its end.
    pub next: Option<String>,
}

impl Objects {
    /// Read the object, of at most `limit` bytes, if it is this `version`.
    ///
    /// # Errors
    /// [`ObjectError::Changed`] where it has another `ETag` than `version`; [`ObjectError::TooLarge`],
    /// without reading it, where S3 announces more than `limit` bytes.
    pub async fn get(
        &self,
        location: &Location,
        version: &Version,
        limit: u64,
    ) -> Result<Object, ObjectError> {
        let request = self
            .client(&location.bucket)
            .await?
            .get_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .set_version_id(version.version_id.clone())
            .set_if_match(version.if_match());
        let answer = request.send().await?;
        let announced = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let version_id = answer.version_id.or_else(|| version.version_id.clone());
        let found = Version::found(answer.e_tag.as_deref(), version_id);
        if let Some(bytes) = announced.filter(|&bytes| bytes > limit) {
            return Err(ObjectError::TooLarge { limit, bytes, found });
        }
        let capacity = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let mut bytes = Vec::with_capacity(capacity.unwrap_or_default());
        let mut body = answer.body;
        while let Some(part) = body.next().await {
            let part = part?;
            let arrived = (bytes.len() + part.len()) as u64;
            if arrived > limit {
                return Err(ObjectError::TooLarge { limit, bytes: arrived, found });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Object { version: found, bytes })
    }

    /// Which version there is now, without reading it.
    ///
    /// # Errors
    /// As S3 answers; it sends no code with it, so a missing bucket reads as a missing object.
    pub async fn head(&self, location: &Location) -> Result<Version, ObjectError> {
        let head = self
            .client(&location.bucket)
            .await?
            .head_object()
            .bucket(&location.bucket)
            .key(&location.key);
        let answer = head.send().await?;
        Ok(Version::found(answer.e_tag.as_deref(), answer.version_id))
    }

    /// The keys that begin with `prefix`, from where an earlier page's `next` says.
    ///
    /// # Errors
    /// As S3 answers.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        next: Option<String>,
    ) -> Result<Page, ObjectError> {
        let list = self.client(bucket).await?.list_objects_v2().bucket(bucket).prefix(prefix);
        let answer = list.set_continuation_token(next).send().await?;
        let keys = answer.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        Ok(Page { keys: keys.collect(), next: answer.next_continuation_token })
    }
}
