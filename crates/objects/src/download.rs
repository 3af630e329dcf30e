//! One version of a large object, in parallel ranges, into one buffer.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::BytesMut;
use futures::{Stream, StreamExt as _, stream};

use crate::Objects;
use crate::content_range::ContentRange;
use crate::error::ObjectError;
use crate::location::{Location, Version};

/// Large enough that a request's latency is small beside its transfer, small enough that the first
/// piece arrives early and a 25 MB model comes over several connections.
const PART_BYTES: u64 = 4 << 20;
const PARALLEL_PARTS: usize = 8;
/// How often one part is asked for; the SDK's retries, which end with the headers, come on top.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(50);

/// An object whose size and version are known and whose first part is on its way.
pub struct Download {
    object: Ranges,
    total: u64,
    first: Part,
}

/// A range of the object, and its body where that has been asked for already.
struct Part {
    range: Range<u64>,
    body: Option<ByteStream>,
}

/// Asks for ranges of one version of an object.
#[derive(Clone)]
struct Ranges {
    objects: Objects,
    location: Location,
    version: Version,
}

impl Objects {
    /// Begin to read an object of at most `limit` bytes. The headers of its first part give size and
    /// version, so no HEAD is needed.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`] before any memory is allocated.
    pub async fn download(&self, location: Location, limit: u64) -> Result<Download, ObjectError> {
        let mut object = Ranges { objects: self.clone(), location, version: Version::default() };
        let answer = object.get(0..PART_BYTES).await?;
        let (total, end) = match &answer.content_range {
            Some(header) => {
                let range = ContentRange::parse(header).filter(|range| range.first == 0);
                let total = range.ok_or_else(|| wrong_range(header))?.total;
                (total, total.min(PART_BYTES))
            }
            // A server without ranges sends the whole object.
            None => {
                let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
                let unknown = || ObjectError::protocol("its size is not known".to_owned());
                let length = length.ok_or_else(unknown)?;
                (length, length)
            }
        };
        object.version = Version::found(answer.e_tag.as_deref(), None);
        if total > limit || usize::try_from(total).is_err() {
            let found = object.version;
            return Err(ObjectError::TooLarge { limit, bytes: total, found });
        }
        let first = Part { range: 0..end, body: Some(answer.body) };
        Ok(Download { object, total, first })
    }
}

impl Download {
    /// Size in bytes, within the limit that the download was begun with.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The object's bytes, piece by piece in their order. All pieces are split from one buffer, so
    /// [`BytesMut::unsplit`] joins them without a copy.
    ///
    /// A piece is [`ObjectError::Changed`] where the object was replaced meanwhile.
    pub fn pieces(self) -> impl Stream<Item = Result<BytesMut, ObjectError>> + Send {
        let Self { object, total, first } = self;
        let length = |range: &Range<u64>| {
            // The total was checked to fit.
            usize::try_from(range.end - range.start).unwrap_or_default()
        };
        let mut rest = BytesMut::zeroed(length(&(0..total)));
        let mut parts = Vec::new();
        let mut next = Some(first);
        while let Some(part) = next {
            let end = part.range.end;
            let space = rest.split_to(length(&part.range));
            parts.push((part, space));
            next =
                (end < total).then(|| Part { range: end..total.min(end + PART_BYTES), body: None });
        }
        stream::iter(parts)
            .map(move |(part, space)| {
                let object = object.clone();
                async move { object.fill(part, space).await }
            })
            .buffered(PARALLEL_PARTS)
    }
}

impl Ranges {
    async fn get(&self, range: Range<u64>) -> Result<GetObjectOutput, ObjectError> {
        let request = self
            .objects
            .client(&self.location.bucket)
            .await?
            .get_object()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_if_match(self.version.if_match());
        Ok(request.send().await?)
    }

    /// Read `part` into `space`, resuming a broken body where it ended.
    async fn fill(&self, mut part: Part, mut space: BytesMut) -> Result<BytesMut, ObjectError> {
        let mut filled = 0;
        let mut pause = BACKOFF;
        let mut attempt = 1;
        loop {
            let body = match part.body.take() {
                Some(body) => body,
                None => self.resume(part.range.start + filled as u64..part.range.end).await?,
            };
            match drain(body, &mut space, &mut filled).await {
                Ok(()) => return Ok(space),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(object = %self.location, filled, %error, "a body ended early");
                }
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn resume(&self, range: Range<u64>) -> Result<ByteStream, ObjectError> {
        let start = range.start;
        let answer = self.get(range).await?;
        let header = answer.content_range.as_deref().unwrap_or_default();
        match ContentRange::parse(header) {
            Some(range) if range.first == start => Ok(answer.body),
            // From its start, a server without ranges gives what was asked for as well.
            None if header.is_empty() && start == 0 => Ok(answer.body),
            _ => Err(wrong_range(header)),
        }
    }
}

fn wrong_range(header: &str) -> ObjectError {
    ObjectError::protocol(format!("the server answered with Content-Range `{header}`"))
}

/// Append `body` to what `space` holds up to `filled`; fails unless that fills it exactly.
async fn drain(
    mut body: ByteStream,
    space: &mut BytesMut,
    filled: &mut usize,
) -> Result<(), ObjectError> {
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        let Some(target) = space.get_mut(*filled..*filled + chunk.len()) else {
            return Err(ObjectError::protocol("the body is longer than announced".to_owned()));
        };
        target.copy_from_slice(&chunk);
        *filled += chunk.len();
    }
    if *filled == space.len() {
        Ok(())
    } else {
        Err(ObjectError::protocol("the body ended early".to_owned()))
    }
}
