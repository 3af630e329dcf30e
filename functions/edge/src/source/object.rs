//! Pictures in S3.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use glimpse_model_store::{ModelStore, reason};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::expand::Item;
use super::{Failure, Source, is_picture};

/// Objects fetched at the same time: enough to hide the network, few enough to bound memory.
const AT_ONCE: usize = 8;

/// Reads objects with the model store's client; cloning shares it.
#[derive(Clone)]
pub struct Bucket {
    store: ModelStore,
    runtime: Handle,
    places: Arc<Semaphore>,
}

impl Bucket {
    /// Asks nothing before it is used.
    pub fn new(store: ModelStore, runtime: Handle) -> Self {
        Self { store, runtime, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The pictures under a prefix, in the order of their keys. Blocks; not for async threads.
    pub fn list(&self, bucket: &str, prefix: &str) -> impl Iterator<Item = Item> + Send + use<> {
        let (own, bucket, prefix) = (self.clone(), bucket.to_owned(), prefix.to_owned());
        let mut next = Some(None);
        std::iter::from_fn(move || {
            let token = next.take()?;
            let (items, more) = own.runtime.block_on(own.page(&bucket, &prefix, token));
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
    ) -> (Vec<Item>, Option<String>) {
        let client = self.store.s3().await;
        let list = client.list_objects_v2().bucket(bucket).prefix(prefix);
        match list.set_continuation_token(token).send().await {
            Ok(page) => {
                let keys = page.contents().iter().filter_map(|object| object.key());
                let pictures = keys.filter(|key| is_picture(Path::new(key)));
                let source = |key: &str| {
                    Ok(Source::Object { bucket: bucket.to_owned(), key: key.to_owned() })
                };
                (pictures.map(source).collect(), page.next_continuation_token)
            }
            Err(error) => {
                let failure = match error.code() {
                    Some("NoSuchBucket") => Failure::NotFound,
                    _ => Failure::Unreadable(reason(&error)),
                };
                (vec![Err((format!("s3://{bucket}/{prefix}"), failure))], None)
            }
        }
    }

    /// Fetch an object up to `limit` bytes, then hand it to `done`, which may block. Returns at once.
    pub fn fetch(
        &self,
        bucket: String,
        key: String,
        limit: u64,
        done: impl FnOnce(Result<Vec<u8>, Failure>) + Send + 'static,
    ) {
        let own = self.clone();
        self.runtime.spawn(async move {
            let Ok(_place) = own.places.acquire().await else { return };
            let content = own.get(&bucket, &key, limit).await;
            // Keeps its place until it is decoded: that takes memory as well.
            let _ = tokio::task::spawn_blocking(move || done(content)).await;
        });
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let get = self.store.s3().await.get_object().bucket(bucket).key(key);
        let mut object = get.send().await.map_err(|error| match error.code() {
            Some("NoSuchKey" | "NoSuchBucket") => Failure::NotFound,
            _ => Failure::Unreadable(reason(&error)),
        })?;
        let mut bytes = Vec::new();
        while let Some(part) = object.body.next().await {
            let part = part.map_err(|error| Failure::Unreadable(error.to_string()))?;
            if (bytes.len() + part.len()) as u64 > limit {
                return Err(Failure::TooLarge { limit });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}
