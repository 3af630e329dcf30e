//! One version of an object, in parallel ranges, into one buffer, hashed while it arrives.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::BytesMut;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task;

use super::content_range::ContentRange;
use crate::error::LoadError;
use crate::reason::{causes, reason};
use crate::verify::{Hashed, Hasher};

/// Large enough that a request's latency is small beside its transfer, small enough that hashing
/// starts early and a 25 MB model comes over several connections.
const PART_BYTES: u64 = 4 << 20;
const PARALLEL_PARTS: usize = 8;
/// How often one part is asked for; the SDK's retries, which end with the headers, come on top.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(50);

/// Why an object was not read.
pub(crate) enum FetchError {
    /// It is another version than the one that was begun: begin again.
    Changed(String),
    /// For good.
    Failed(LoadError),
}

impl From<LoadError> for FetchError {
    fn from(error: LoadError) -> Self {
        Self::Failed(error)
    }
}

/// An object in S3.
pub(crate) struct Object<'a> {
    pub(crate) client: &'a Client,
    pub(crate) bucket: &'a str,
    pub(crate) key: String,
}

/// An object whose size is known and whose first part is on its way.
pub(crate) struct Opened<'a> {
    object: &'a Object<'a>,
    total: u64,
    etag: Option<String>,
    first: Part,
}

/// A range of the object, and its body where that has been asked for already.
struct Part {
    range: Range<u64>,
    body: Option<ByteStream>,
}

impl Object<'_> {
    /// Ask for the first part; its headers tell size and version, so no HEAD is needed.
    pub(crate) async fn open(&self, limit: u64) -> Result<Opened<'_>, FetchError> {
        let answer = self.get(0..PART_BYTES, None).await?;
        let (total, end) = match &answer.content_range {
            Some(header) => {
                let range = ContentRange::parse(header).filter(|range| range.first == 0);
                let total = range.ok_or_else(|| self.wrong_range(header))?.total;
                (total, total.min(PART_BYTES))
            }
            // A server without ranges sends the whole object.
            None => {
                let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
                let length = length.ok_or_else(|| self.unreachable("its size is not known"))?;
                (length, length)
            }
        };
        if total > limit {
            return Err(LoadError::TooLarge { what: self.uri(), bytes: total, limit }.into());
        }
        let first = Part { range: 0..end, body: Some(answer.body) };
        Ok(Opened { object: self, total, etag: answer.e_tag, first })
    }

    async fn get(
        &self,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<GetObjectOutput, FetchError> {
        let request = self
            .client
            .get_object()
            .bucket(self.bucket)
            .key(&self.key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_if_match(etag.map(str::to_owned));
        request.send().await.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &SdkError<GetObjectError>) -> FetchError {
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(404) => LoadError::Missing { what: self.uri() }.into(),
            Some(412) => FetchError::Changed(self.uri()),
            Some(403) => self
                .unreachable("access denied; without s3:ListBucket a missing object reads so too")
                .into(),
            Some(416) => self.unreachable("it is empty").into(),
            _ => self.unreachable(&reason(error)).into(),
        }
    }

    /// Read `part` into `buffer`, taking up a broken body where it ended.
    async fn fill(
        &self,
        mut part: Part,
        mut buffer: BytesMut,
        etag: Option<&str>,
    ) -> Result<BytesMut, FetchError> {
        let mut filled = 0;
        let mut pause = BACKOFF;
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tracing::warn!(object = %self.uri(), filled, reason, "a body ended early");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            let body = match part.body.take() {
                Some(body) => body,
                None => self.resume(part.range.start + filled as u64..part.range.end, etag).await?,
            };
            match drain(body, &mut buffer, &mut filled).await {
                Ok(()) => return Ok(buffer),
                Err(why) => reason = why,
            }
        }
        Err(self.unreachable(&reason).into())
    }

    async fn resume(
        &self,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<ByteStream, FetchError> {
        let start = range.start;
        let answer = self.get(range, etag).await?;
        let header = answer.content_range.as_deref().unwrap_or_default();
        match ContentRange::parse(header) {
            Some(range) if range.first == start => Ok(answer.body),
            // From its start, a server without ranges gives what was asked for as well.
            None if header.is_empty() && start == 0 => Ok(answer.body),
            _ => Err(self.wrong_range(header).into()),
        }
    }

    fn wrong_range(&self, header: &str) -> LoadError {
        self.unreachable(&format!("the server answered with Content-Range `{header}`"))
    }

    fn unreachable(&self, reason: &str) -> LoadError {
        LoadError::Unreachable { what: self.uri(), reason: reason.to_owned() }
    }

    fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

impl Opened<'_> {
    /// Size in bytes, within the limit that it was opened with.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Read all of it. Parts arrive in any order and are hashed in theirs, on another thread.
    pub(crate) async fn read(self) -> Result<Hashed, FetchError> {
        let Self { object, total, etag, first } = self;
        let too_large = |_| LoadError::TooLarge { what: object.uri(), bytes: total, limit: total };
        let mut rest = BytesMut::zeroed(usize::try_from(total).map_err(too_large)?);
        let mut parts = Vec::new();
        let mut next = Some(first);
        while let Some(part) = next {
            let end = part.range.end;
            let length = usize::try_from(end - part.range.start).map_err(too_large)?;
            parts.push((part, rest.split_to(length)));
            next =
                (end < total).then(|| Part { range: end..total.min(end + PART_BYTES), body: None });
        }
        let (sender, mut receiver) = mpsc::channel(PARALLEL_PARTS);
        let hashing = task::spawn_blocking(move || {
            let mut hasher = Hasher::default();
            while let Some(piece) = receiver.blocking_recv() {
                hasher.push(piece);
            }
            hasher.finish()
        });
        let etag = etag.as_deref();
        let mut filled = stream::iter(parts)
            .map(|(part, buffer)| object.fill(part, buffer, etag))
            .buffered(PARALLEL_PARTS);
        while let Some(piece) = filled.next().await {
            sender.send(piece?).await.map_err(|_| LoadError::Interrupted)?;
        }
        drop(sender);
        Ok(hashing.await.map_err(|_| LoadError::Interrupted)?)
    }
}

/// Append `body` to what `buffer` holds up to `filled`; fails unless that fills it exactly.
async fn drain(
    mut body: ByteStream,
    buffer: &mut BytesMut,
    filled: &mut usize,
) -> Result<(), String> {
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| causes(&error))?;
        let Some(space) = buffer.get_mut(*filled..*filled + chunk.len()) else {
            return Err("the body is longer than announced".to_owned());
        };
        space.copy_from_slice(&chunk);
        *filled += chunk.len();
    }
    if *filled == buffer.len() { Ok(()) } else { Err("the body ended early".to_owned()) }
}
