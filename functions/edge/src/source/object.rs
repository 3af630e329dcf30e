//! Pictures in S3.

use std::path::Path;
use std::sync::Arc;

use glimpse_budget::Permit;
use glimpse_objects::{Location, Object, ObjectError, Objects, Version};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admitted::Files;

use super::{Failure, Item, LeftOut, Source, is_hidden, is_picture};

/// Objects fetched at the same time: enough to hide the network.
const AT_ONCE: usize = 8;
/// Memory is taken for objects of this size before their sizes are known. Larger ones are asked for again.
const USUAL: u64 = 16 << 20;

/// Reads objects from synchronous code; cloning shares it.
#[derive(Clone)]
pub struct Bucket {
    objects: Objects,
    runtime: Handle,
    places: Arc<Semaphore>,
}

impl Bucket {
    /// Asks nothing before it is used.
    pub fn new(objects: Objects, runtime: Handle) -> Self {
        Self { objects, runtime, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The pictures under a prefix, in the order of their keys. Blocks; not for async threads.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        left_out: &LeftOut,
    ) -> impl Iterator<Item = Item> + Send + use<> {
        let (own, bucket, prefix) = (self.clone(), bucket.to_owned(), prefix.to_owned());
        let left_out = left_out.clone();
        let mut next = Some(None);
        std::iter::from_fn(move || {
            let token = next.take()?;
            let (items, more) = own.runtime.block_on(own.page(&bucket, &prefix, token, &left_out));
            next = more.map(Some);
            Some(items)
        })
        .flatten()
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        token: Option<String>,
        left_out: &LeftOut,
    ) -> (Vec<Item>, Option<String>) {
        match self.objects.list(bucket, prefix, token).await {
            Ok(page) => {
                let pictures = page.keys.into_iter().filter(|key| is_taken(key, prefix, left_out));
                let source = |key| Ok(Source::Object { bucket: bucket.to_owned(), key });
                (pictures.map(source).collect(), page.next)
            }
            Err(error) => {
                (vec![Err((format!("s3://{bucket}/{prefix}").into(), error.into()))], None)
            }
        }
    }

    /// Fetch an object up to `limit` bytes within the memory for `files`, then hand it to `done`, which
    /// may block. Returns at once.
    pub fn fetch(
        &self,
        location: Location,
        (limit, files): (u64, Files),
        done: impl FnOnce(Result<Object, Failure>) + Send + 'static,
    ) {
        let own = self.clone();
        self.runtime.spawn(async move {
            let Ok(_place) = own.places.acquire().await else { return };
            let version = Version::default();
            let fetched = own.fetch_within((&location, &version), limit, &files).await;
            // Keeps its place and its memory until it is decoded.
            let (object, _held) = match fetched {
                Ok((object, permit)) => (Ok(object), Some(permit)),
                Err(failure) => (Err(failure), None),
            };
            let _ = tokio::task::spawn_blocking(move || done(object)).await;
        });
    }

    /// Fetch this version of an object in the same way. Blocks; not for async threads.
    ///
    /// # Errors
    /// When there is no such version any more, it is too large, or S3 does not give it.
    pub fn fetch_again(
        &self,
        object: (&Location, &Version),
        (limit, files): (u64, &Files),
    ) -> Result<(Object, Permit), Failure> {
        self.runtime.block_on(self.fetch_within(object, limit, files))
    }

    async fn fetch_within(
        &self,
        (location, version): (&Location, &Version),
        limit: u64,
        files: &Files,
    ) -> Result<(Object, Permit), Failure> {
        let most = limit.min(files.bytes());
        for limit_now in [most.min(USUAL), most] {
            let permit = files.enter(limit_now).await?;
            match self.objects.get(location, version, limit_now).await {
                Ok(object) => return Ok((object, permit)),
                Err(ObjectError::TooLarge { .. }) if limit_now < most => {}
                Err(ObjectError::TooLarge { .. }) if most < limit => break,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::OverBudget { budget: files.bytes() })
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NotFound { .. } | ObjectError::NoSuchBucket { .. } => Self::NotFound,
            ObjectError::TooLarge { limit, .. } => Self::TooLarge { limit },
            error => Self::Unreadable(error.into()),
        }
    }
}

/// Whether the key under `prefix` is a picture's; a key that is not is counted.
fn is_taken(key: &str, prefix: &str, left_out: &LeftOut) -> bool {
    let folder = prefix.rfind('/').map_or(0, |end| end + 1);
    let below = Path::new(key.get(folder..).unwrap_or(key));
    if key.ends_with('/') {
        // The mark of an empty folder.
        return false;
    }
    if below.ancestors().any(is_hidden) {
        left_out.add_hidden();
        return false;
    }
    if !is_picture(below) {
        left_out.add(below);
        return false;
    }
    true
}
