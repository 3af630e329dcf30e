//! Objects in S3: bounded and ranged reads, conditional writes, presigned uploads.
//!
//! [`Objects`] is made once at the start and shared. What an error of S3 means is decided here, in
//! [`ObjectError`]; callers say what that means to *their* callers.
//!
//! ```no_run
//! use glimpse_objects::{Location, ObjectError, Objects, Version};
//! # async fn example() -> Result<(), ObjectError> {
//! let objects = Objects::from_env(); // connects at the first request
//! let picture = Location::new("pictures", "cat.jpg");
//! match objects.get(&picture, &Version::default(), 20 << 20).await {
//!     Ok(object) => println!("{} bytes, ETag {:?}", object.bytes.len(), object.version.etag),
//!     Err(ObjectError::NotFound { .. }) => println!("{picture} does not exist"),
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! ```

mod connect;
mod content_range;
mod download;
mod error;
mod location;
mod presign;
mod read;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::Client;
use tokio::sync::OnceCell;

pub use download::Download;
pub use error::{Cause, ObjectError};
pub use location::{Location, Version};
pub use presign::PresignedPut;
pub use read::{Object, Page};
pub use write::{Condition, NewObject};

/// Whether the name is that of a directory bucket, or of an access point to one.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html>
#[must_use]
pub fn is_directory_bucket(bucket: &str) -> bool {
    bucket.ends_with("--x-s3") || bucket.ends_with("--xa-s3")
}

/// Access to S3. Cloning shares the client, which is made at the first request.
#[derive(Debug, Clone)]
pub struct Objects(Arc<Mutex<Connected>>);

/// Who waits for a client that is being made waits without the lock.
type Connected = Arc<OnceCell<Client>>;

impl Objects {
    /// Region, credentials and endpoint as the AWS SDK finds them in the environment. Does no work
    /// before the first request, so a process that needs no object pays nothing.
    #[must_use]
    pub fn from_env() -> Self {
        Self::with(OnceCell::new())
    }

    /// Use this client.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self::with(OnceCell::new_with(Some(client)))
    }

    fn with(client: OnceCell<Client>) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(client))))
    }

    /// Forget the client with its connections and credentials, for all clones: the next request makes a
    /// new one from the environment. A request that is under way keeps its own until it ends.
    pub fn disconnect(&self) {
        *self.connected() = Arc::default();
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same access over connections of its own: those of a client belong to the runtime that
    /// opened them, and stand still while that one is blocked.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        let connected = self.connected().clone();
        let Some(client) = connected.get() else { return Self::from_env() };
        let config = client.config().to_builder().http_client(connect::http());
        Self::with_client(Client::from_conf(config.build()))
    }

    /// The client, for a request of this bucket.
    async fn client(&self, bucket: &str) -> Result<Client, ObjectError> {
        if is_directory_bucket(bucket) {
            return Err(ObjectError::DirectoryBucket);
        }
        let connected = self.connected().clone();
        Ok(connected.get_or_init(connect::connect).await.clone())
    }
}
