//! `s3s-fs` with what it lacks for this purpose: `If-Match` on GET, and a body read at once.
//!
//! It reads objects in pieces of 4 KiB, which would make the server, not the function, the slow
//! side of a cold start.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

pub(super) struct Backend {
    files: FileSystem,
    root: PathBuf,
}

impl Backend {
    pub(super) fn new(root: &Path) -> Result<Self, s3s_fs::Error> {
        Ok(Self { files: FileSystem::new(root)?, root: root.to_owned() })
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let path = self.root.join(&input.bucket).join(&input.key);
        let mut file = std::fs::File::open(path).map_err(|_| s3_error!(NoSuchKey))?;
        let about = file.metadata().map_err(|_| s3_error!(NoSuchKey))?;
        if !about.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        let tag = tag_of(&about);
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
        let content = read(&mut file, &range).map_err(|_| s3_error!(InternalError))?;
        let mut output = GetObjectOutput {
            content_length: i64::try_from(content.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(Bytes::from(content)))),
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
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.files.put_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let path = self.root.join(&request.input.bucket).join(&request.input.key);
        let mut response = self.files.head_object(request).await?;
        // The same tag as GET's: clients compare them.
        response.output.e_tag = path.metadata().ok().map(|about| ETag::Strong(tag_of(&about)));
        Ok(response)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }
}

/// An entity tag from size and modification time: opaque to clients, new for every content.
fn tag_of(about: &std::fs::Metadata) -> String {
    let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{:x}-{:x}", modified.unwrap_or_default().as_nanos(), about.len())
}

fn read(file: &mut std::fs::File, range: &std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end - range.start;
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut content)?;
    Ok(content)
}
