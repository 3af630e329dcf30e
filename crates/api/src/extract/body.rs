//! A request's body, under its limit.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use glimpse_budget::{Client, Pool, Reserved};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use super::encoding::Encoding;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Memory for a body whose length is not announced is reserved in steps of so many bytes.
const STEP: usize = 256 << 10;

/// How long a body may wait for memory, unread: a burst of clients is served as its bodies fit.
const WAIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(25);
/// How long the rest of a refused body is read, so that its sender gets to read the answer.
const DISCARDING: Duration = Duration::from_secs(10);

/// The whole body, unpacked where it came compressed; a longer one than `GLIMPSE_MAX_BODY_BYTES` is
/// refused, where possible unread. Its memory is reserved before it is read.
pub(crate) struct Payload(pub(crate) Bytes, pub(crate) Caller);

impl FromRequest<ApiState> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let encoding = Encoding::of(request.headers())?;
        let limit = state.config.max_body_bytes;
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(Problem::PayloadTooLarge { limit });
        }
        let client = request.extensions().get().copied().unwrap_or_default();
        let deadline = request.extensions().get().copied();
        let unpacked = if encoding == Encoding::Identity { 0 } else { limit };
        let copies = copies(request.headers());
        let lengths = (announced, unpacked);
        let mut arriving = match Arriving::begin(&state.bodies, client, lengths, copies).await {
            Ok(arriving) => arriving,
            Err(problem) => {
                discard(request.into_body(), limit);
                return Err(problem);
            }
        };
        let within = state.config.body_timeout;
        let body = arriving.read(request.into_body(), limit);
        let bytes = tokio::time::timeout(within, body).await;
        let bytes = bytes.unwrap_or(Err(Problem::SlowBody { limit: within }))?;
        let bytes = encoding.unpack(bytes, limit)?;
        Ok(Self(bytes, Caller::new(client, deadline, arriving.reserved)))
    }
}

/// Read a body that is not wanted, and forget it. A client that is still sending when its connection
/// is closed may never see the answer.
pub fn discard(mut body: Body, limit: usize) {
    let reading = async move {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await
            && read <= limit
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARDING, reading));
}

/// How often a body is in memory while it is worked on: only a picture's own bytes are not copied.
fn copies(headers: &HeaderMap) -> u64 {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"image/")) {
        1
    } else {
        2
    }
}

/// A body on its way, and the memory that is reserved for it.
struct Arriving {
    reserved: Reserved,
    /// Bytes of the body for which there is memory.
    room: usize,
    announced: bool,
    copies: u64,
}

impl Arriving {
    /// Reserve what the body announces, and the most that may be unpacked of it.
    async fn begin(
        pool: &Pool,
        client: Client,
        (announced, unpacked): (Option<usize>, usize),
        copies: u64,
    ) -> Result<Self, Problem> {
        let room = announced.unwrap_or(STEP);
        let bytes = copies * (room as u64 + unpacked as u64);
        if bytes > pool.size() {
            return Err(Problem::BodyOverBudget { budget: pool.size() });
        }
        let until = Instant::now() + WAIT;
        let reserved = loop {
            if let Some(reserved) = pool.reserve(client, bytes) {
                break reserved;
            }
            if Instant::now() >= until {
                return Err(Problem::BodiesFull);
            }
            sleep(LOOK).await;
        };
        Ok(Self { reserved, room, announced: announced.is_some(), copies })
    }

    fn grow(&mut self, bytes: u64) -> Result<(), Problem> {
        if self.reserved.grow(bytes) {
            return Ok(());
        }
        let budget = self.reserved.pool().most_of_one();
        let is_over = self.reserved.units().saturating_add(bytes) > budget;
        Err(if is_over { Problem::BodyOverBudget { budget } } else { Problem::BodiesFull })
    }

    async fn read(&mut self, mut body: Body, limit: usize) -> Result<Bytes, Problem> {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Problem::IncompleteBody)?.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > limit {
                return Err(Problem::PayloadTooLarge { limit });
            }
            if length > self.room {
                let more = (length - self.room).next_multiple_of(STEP);
                self.grow(self.copies * more as u64)?;
                self.room += more;
            }
            if bytes.is_empty() {
                if body.is_end_stream() {
                    return Ok(data);
                }
                // One block, of which only what arrived takes memory, and which the system gets back.
                bytes.reserve_exact(if self.announced { self.room } else { 0 });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.into())
    }
}

/// Parse a JSON object; a value of the wrong kind is a parameter's fault, the rest is JSON's.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // A byte-order mark may be ignored (RFC 8259, 8.1); .NET and Excel write one.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let parsed = serde_json::from_slice(body).map_err(|error| {
        // A message may quote the value it could not use: enough of it to be recognised.
        let message: String = error.to_string().chars().take(200).collect();
        match error.classify() {
            serde_json::error::Category::Data => Problem::InvalidParameter(message),
            _ => Problem::InvalidJson(message),
        }
    })?;
    // Serde takes an array for an object with its members in order; no client means that.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::InvalidParameter("the body is a list; send an object".to_owned()));
    }
    Ok(parsed)
}
