//! Addresses to which a client without credentials may put one object.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use crate::Objects;
use crate::error::{Cause, ObjectError};
use crate::location::Location;

/// A signed address for one PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignedPut {
    /// Where the object goes.
    pub url: String,
    /// RFC 3339; S3 refuses the address after that.
    pub expires_at: String,
}

impl Objects {
    /// Sign an address that takes an object of exactly this type and length, for the time `valid`.
    ///
    /// The request must carry `if-none-match: *`, which is signed too: S3 refuses a second object
    /// under the key (412), so that nobody can send one again and again.
    ///
    /// # Errors
    /// When there are no credentials, or `valid` is longer than S3 allows (a week).
    pub async fn presign_put(
        &self,
        location: &Location,
        content_type: &str,
        content_length: i64,
        valid: Duration,
    ) -> Result<PresignedPut, ObjectError> {
        let refused = |source: Cause| ObjectError::Refused { source };
        let now = SystemTime::now();
        let expiry = PresigningConfig::builder().start_time(now).expires_in(valid).build();
        let expiry = expiry.map_err(|error| refused(Cause::of(error)))?;
        let expires_at = DateTime::from(now + valid).fmt(DateTimeFormat::DateTime);
        let expires_at = expires_at.map_err(|error| refused(Cause::of(error)))?;
        let put = self
            .client(&location.bucket)
            .await?
            .put_object()
            .bucket(&location.bucket)
            .key(&location.key);
        let put = put.content_type(content_type).content_length(content_length);
        let put = put.if_none_match("*");
        let signed = put.presigned(expiry).await?;
        Ok(PresignedPut { url: signed.uri().to_owned(), expires_at })
    }
}
