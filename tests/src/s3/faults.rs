//! Makes an S3 server fail in the ways that networks and S3 fail.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use s3s::service::S3Service;

use super::network::{self, Network};

pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, Error>;

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 with S3's `SlowDown` error.
    SlowDown,
    /// 403 with S3's `AccessDenied` error.
    Forbidden,
    /// 403 with S3's `InvalidObjectState` error: the object is archived.
    Archived,
    /// The full `Content-Length` is announced, but the connection closes after this many bytes.
    Truncate(usize),
    /// One bit of the body is wrong.
    FlipBit,
    /// The answer comes this much later.
    Delay(Duration),
}

/// Which requests fail how, and which requests there were.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Vec<Planned>>,
    steady: Mutex<Option<(Fault, u64)>>,
    seen: Mutex<Vec<String>>,
    traces: Mutex<Vec<String>>,
    answers: Mutex<Vec<Answered>>,
}

/// How long a request waited for the start of its answer.
#[derive(Debug)]
struct Answered {
    line: String,
    from: Instant,
    to: Instant,
}

#[derive(Debug)]
struct Planned {
    key_ends_with: String,
    fault: Fault,
    left: usize,
}

impl Faults {
    /// The next `times` requests for a key that ends with `key_ends_with` meet `fault`.
    pub fn plan(&self, key_ends_with: &str, fault: Fault, times: usize) {
        let key_ends_with = key_ends_with.to_owned();
        locked(&self.planned).push(Planned { key_ends_with, fault, left: times });
    }

    /// From now on `percent` of all requests meet `fault`, as if drawn by lot.
    pub fn rate(&self, fault: Fault, percent: u64) {
        *locked(&self.steady) = Some((fault, percent));
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        locked(&self.planned).clear();
        *locked(&self.steady) = None;
    }

    /// The X-Ray trace headers that came with requests.
    pub fn traces(&self) -> Vec<String> {
        locked(&self.traces).clone()
    }

    /// Requests so far for a key that ends with `key_ends_with`, as `METHOD /path range`.
    pub fn requests(&self, key_ends_with: &str) -> Vec<String> {
        let matches = |line: &&String| {
            line.split(' ').nth(1).is_some_and(|path| path.ends_with(key_ends_with))
        };
        locked(&self.seen).iter().filter(matches).cloned().collect()
    }

    /// The most requests that waited for their answers at the same time, of this method and for keys that
    /// end with `key_ends_with`.
    pub fn most_at_once(&self, method: &str, key_ends_with: &str) -> usize {
        let answers = locked(&self.answers);
        let matches = |answered: &&Answered| {
            let mut parts = answered.line.split(' ');
            parts.next() == Some(method) && parts.next().is_some_and(|p| p.ends_with(key_ends_with))
        };
        let of_them: Vec<_> = answers.iter().filter(matches).collect();
        let beside = |at: &&Answered| {
            of_them.iter().filter(|other| other.from <= at.from && at.from < other.to).count()
        };
        of_them.iter().map(beside).max().unwrap_or_default()
    }

    fn next(&self, line: String, request: &Request<Incoming>) -> Option<Fault> {
        let path = request.uri().path();
        let number = {
            let mut seen = locked(&self.seen);
            seen.push(line);
            seen.len() as u64
        };
        let trace = request.headers().get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
        locked(&self.traces).extend(trace.map(str::to_owned));
        let mut planned = locked(&self.planned);
        let next = planned.iter_mut().find(|p| p.left > 0 && path.ends_with(&p.key_ends_with));
        if let Some(next) = next {
            next.left -= 1;
            return Some(next.fault);
        }
        let (fault, percent) = (*locked(&self.steady))?;
        (scattered(number) % 100 < percent).then_some(fault)
    }
}

/// Method, path and range.
fn line_of(request: &Request<Incoming>) -> String {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    format!("{} {} {}", request.method(), request.uri().path(), range.unwrap_or_default())
}

/// Neighbouring numbers far from one another (the last steps of `SplitMix64`).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An S3 service whose answers are spoilt as planned.
#[derive(Clone)]
pub(super) struct Faulty {
    inner: S3Service,
    faults: Arc<Faults>,
    network: Arc<Network>,
}

impl Faulty {
    pub(super) fn new(inner: S3Service, faults: Arc<Faults>, network: Arc<Network>) -> Self {
        Self { inner, faults, network }
    }
}

impl hyper::service::Service<Request<Incoming>> for Faulty {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (from, line) = (Instant::now(), line_of(&request));
        let fault = self.faults.next(line.clone(), &request);
        let (inner, network, faults) =
            (self.inner.clone(), self.network.clone(), self.faults.clone());
        Box::pin(async move {
            network.round_trip().await;
            match fault {
                Some(Fault::SlowDown) => {
                    let why = ("SlowDown", "Please reduce your request rate.");
                    return error(StatusCode::SERVICE_UNAVAILABLE, why);
                }
                Some(Fault::Forbidden) => {
                    return error(StatusCode::FORBIDDEN, ("AccessDenied", "Access Denied"));
                }
                Some(Fault::Archived) => {
                    let why = ("InvalidObjectState", "The object's storage class forbids this.");
                    return error(StatusCode::FORBIDDEN, why);
                }
                Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
                _ => {}
            }
            let (parts, body) = inner.call(request.map(s3s::Body::from)).await?.into_parts();
            locked(&faults.answers).push(Answered { line, from, to: Instant::now() });
            let body = match fault {
                Some(Fault::Truncate(bytes)) => truncated(body, bytes).await?,
                Some(Fault::FlipBit) => flipped(body).await?,
                _ => body.map_err(Error::from).boxed_unsync(),
            };
            Ok(Response::from_parts(parts, network::paced(network, body)))
        })
    }
}

fn error(status: StatusCode, (code, message): (&str, &str)) -> Result<Response<Body>, Error> {
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message></Error>"#
    );
    let body = http_body_util::Full::from(xml).map_err(Error::from).boxed_unsync();
    let answer = Response::builder().status(status);
    Ok(answer.header(header::CONTENT_TYPE, "application/xml").body(body)?)
}

async fn truncated(body: s3s::Body, bytes: usize) -> Result<Body, Error> {
    let whole = BodyExt::collect(body).await?.to_bytes();
    let start = whole.slice(..bytes.min(whole.len()));
    let end = futures::stream::once(async {
        // The start leaves first; an error in the same breath would swallow it.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err::<Frame<Bytes>, Error>("the connection breaks here, as planned".into())
    });
    let frames = futures::stream::once(async { Ok(Frame::data(start)) }).chain(end);
    Ok(StreamBody::new(frames).boxed_unsync())
}

async fn flipped(body: s3s::Body) -> Result<Body, Error> {
    let mut whole = BodyExt::collect(body).await?.to_bytes().to_vec();
    let middle = whole.len() / 2;
    if let Some(byte) = whole.get_mut(middle) {
        *byte ^= 1;
    }
    Ok(http_body_util::Full::from(whole).map_err(Error::from).boxed_unsync())
}
