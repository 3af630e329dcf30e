//! A bundle under an S3 prefix.

use aws_sdk_s3::Client;

use crate::digest::Sha256Digest;
use crate::error::LoadError;
use crate::fetch::{FetchError, Object};
use crate::verify::{DESCRIPTION, Description, LABELS, MAX_TEXT_BYTES, MODEL, VerifiedBundle};

/// Where a bundle is in S3, and what it must be.
pub(crate) struct Bundle<'a> {
    pub(crate) client: &'a Client,
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) pin: Option<&'a Sha256Digest>,
    pub(crate) max_model_bytes: u64,
}

impl Bundle<'_> {
    /// Read and verify the bundle; once more if it changes meanwhile.
    pub(crate) async fn read(&self) -> Result<VerifiedBundle, LoadError> {
        match self.try_read().await {
            Err(FetchError::Changed(what)) => {
                tracing::warn!(what, "the bundle changed while it was read; reading it again");
            }
            done => return settle(done),
        }
        settle(self.try_read().await)
    }

    /// Read and verify `bundle.json` alone.
    pub(crate) async fn describe(&self) -> Result<Description, LoadError> {
        settle(self.try_describe().await)
    }

    /// All three files at the same time: the model does not wait for its description, only for the
    /// size in it.
    async fn try_read(&self) -> Result<VerifiedBundle, FetchError> {
        let (labels, model) = (self.object(LABELS), self.object(MODEL));
        let (description, labels, model) = tokio::try_join!(
            self.try_describe(),
            labels.open(MAX_TEXT_BYTES),
            model.open(self.max_model_bytes),
        )?;
        description.check_size(LABELS, labels.total())?;
        description.check_size(MODEL, model.total())?;
        let (labels, model) = tokio::try_join!(labels.read(), model.read())?;
        Ok(description.complete(labels, model)?)
    }

    async fn try_describe(&self) -> Result<Description, FetchError> {
        let object = self.object(DESCRIPTION);
        let text = object.open(MAX_TEXT_BYTES).await?.read().await?;
        Ok(Description::verify(text, self.pin)?)
    }

    fn object(&self, file: &str) -> Object<'_> {
        let key = match self.prefix {
            "" => file.to_owned(),
            prefix => format!("{prefix}/{file}"),
        };
        Object { client: self.client, bucket: self.bucket, key }
    }
}

fn settle<T>(result: Result<T, FetchError>) -> Result<T, LoadError> {
    result.map_err(|error| match error {
        FetchError::Changed(what) => LoadError::Changed { what },
        FetchError::Failed(error) => error,
    })
}
