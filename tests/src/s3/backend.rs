//! `s3s-fs` with what it lacks for this purpose: `If-Match` on GET, conditions on PUT that hold among
//! concurrent writers, and bodies from memory.
//!
//! It reads objects in pieces of 4 KiB, and on a small machine the server takes its time from the
//! same cores as the function: S3 itself does not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;

pub(super) struct Backend {
    files: FileSystem,
    root: PathBuf,
    /// Objects that were read, with the tag that they had then.
    read: Mutex<HashMap<PathBuf, (String, Bytes)>>,
    /// The tags of objects that were put: the checksums of their contents, as in S3.
    tags: Mutex<HashMap<PathBuf, String>>,
    /// A condition and the write that depends on it are one step, and so is a look at an object.
    turn: RwLock<()>,
}

impl Backend {
    pub(super) fn new(root: &Path) -> Result<Self, s3s_fs::Error> {
        Ok(Self {
            files: FileSystem::new(root)?,
            root: root.to_owned(),
            read: Mutex::default(),
            tags: Mutex::default(),
            turn: RwLock::default(),
        })
    }

    /// `s3s-fs` answers a missing key for a missing bucket.
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The object's tag, if there is an object.
    fn tag(&self, path: &Path) -> Option<String> {
        let about = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        Some(tags.get(path).cloned().unwrap_or_else(|| tag_of(&about)))
    }

    fn content(&self, path: &Path, tag: &str) -> std::io::Result<Bytes> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, content)) = read.get(path)
            && known == tag
        {
            return Ok(content.clone());
        }
        let content = Bytes::from(std::fs::read(path)?);
        read.insert(path.to_owned(), (tag.to_owned(), content.clone()));
        Ok(content)
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let path = self.root.join(&input.bucket).join(&input.key);
        let _turn = self.turn.read().await;
        let tag = self.tag(&path).ok_or_else(|| s3_error!(NoSuchKey))?;
        let about = path.metadata().map_err(|_| s3_error!(NoSuchKey))?;
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && wanted.value() != tag
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let total = about.len();
        let range = match &input.range {
            None => 0..total,
            Some(range) => range.check(total).map_err(|_| s3_error!(InvalidRange))?,
        };
        let content = self.content(&path, &tag).map_err(|_| s3_error!(InternalError))?;
        // Replaced between two looks at it: ask again.
        let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
        let content = match (start, end) {
            (Ok(start), Ok(end)) if end <= content.len() => content.slice(start..end),
            _ => return Err(s3_error!(SlowDown)),
        };
        let mut output = GetObjectOutput {
            content_length: i64::try_from(content.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(content))),
            e_tag: Some(ETag::Strong(tag)),
            ..GetObjectOutput::default()
        };
        if input.range.is_some() {
            output.content_range = Some(format!("bytes {}-{}/{total}", range.start, range.end - 1));
        }
        Ok(S3Response::new(output))
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.check_bucket(&request.input.bucket)?;
        let path = self.root.join(&request.input.bucket).join(&request.input.key);
        let _turn = self.turn.write().await;
        let tag = self.tag(&path);
        if request.input.if_none_match.take().is_some() && tag.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        if let Some(ETagCondition::ETag(wanted)) = request.input.if_match.take() {
            let tag = tag.ok_or_else(|| s3_error!(NoSuchKey))?;
            if wanted.value() != tag {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        let response = self.files.put_object(request).await?;
        if let Some(tag) = &response.output.e_tag {
            let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.insert(path, tag.value().to_owned());
        }
        Ok(response)
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _turn = self.turn.write().await;
        self.files.delete_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let path = self.root.join(&request.input.bucket).join(&request.input.key);
        let mut response = self.files.head_object(request).await?;
        // The same tag as GET's: clients compare them.
        response.output.e_tag = self.tag(&path).map(ETag::Strong);
        Ok(response)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }
}

/// For files that were not put: a tag from size and modification time.
fn tag_of(about: &std::fs::Metadata) -> String {
    let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{:x}-{:x}", modified.unwrap_or_default().as_nanos(), about.len())
}
