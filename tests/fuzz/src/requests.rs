//! Requests of each protocol, up to pictures and options. SageMaker's are those of `/predict`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use futures::executor::block_on;
use glimpse_api::fuzzing::{self, CLASSES, MAX_BATCH, MAX_BODY_BYTES, Read};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::ALLOCATIONS;

/// What any request may take.
const SLACK: u64 = 2 << 20;
/// Bytes for each byte of a body: JSON of many small values takes most.
const PER_BYTE: u64 = 64;
const MAX_PREDICTIONS: usize = 1000;

/// The query in the first line, then headers up to an empty line, then the body.
pub fn predict(data: &[u8]) {
    let (head, body) = cut(data, b"\n\n").unwrap_or((data, &[]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| str::from_utf8(line).ok());
    let headers = lines.filter_map(|line| {
        let (name, value) = cut(line, b": ")?;
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    posted(query, &headers.collect(), body);
}

pub fn predict_json(body: &[u8]) {
    posted(None, &of_type("application/json"), body);
}

/// The boundary is `x`.
pub fn multipart(body: &[u8]) {
    posted(None, &of_type("multipart/form-data; boundary=x"), body);
}

pub fn form(body: &[u8]) {
    posted(None, &of_type("application/x-www-form-urlencoded"), body);
}

pub fn tensorflow_serving(body: &[u8]) {
    within_memory(body, 0, || fuzzing::tensorflow_serving(body).map(|read| check(&read)).ok());
}

/// `Inference-Header-Content-Length` in the first line, unless that is empty; then the body.
pub fn open_inference(data: &[u8]) {
    let (length, body) = cut(data, b"\n").unwrap_or((&[], data));
    let length = Some(length).filter(|length| !length.is_empty());
    let read = || {
        let read = fuzzing::open_inference(length, body).ok()?;
        check(&read);
        assert!(read.options.top_k <= CLASSES);
        Some(())
    };
    within_memory(body, 0, read);
}

/// What was decoded is what the text says, and not some other picture.
pub fn base64(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let read = || {
        let bytes = fuzzing::base64(text).ok()?;
        assert!(!bytes.is_empty());
        let written = text.trim_start_matches(|c: char| c <= ' ');
        if !written.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
            let written = text.replace(['\r', '\n', '\t'], "").replace('-', "+").replace('_', "/");
            assert_eq!(STANDARD_NO_PAD.encode(bytes), written.trim_end_matches('='), "{text:?}");
        }
        Some(())
    };
    within_memory(data, 0, read);
}

fn of_type(content_type: &'static str) -> HeaderMap {
    [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect()
}

/// A request to `/predict`.
pub fn posted(query: Option<&str>, headers: &HeaderMap, body: &[u8]) {
    let sent = Bytes::copy_from_slice(body);
    // A compressed body may unpack to the limit, into a vector that doubles, and is copied then.
    let unpacked =
        if headers.contains_key(header::CONTENT_ENCODING) { MAX_BODY_BYTES as u64 } else { 0 };
    within_memory(body, unpacked, || {
        block_on(fuzzing::predict(query, headers, sent)).map(|read| check(&read)).ok()
    });
}

fn check(Read { pictures, options }: &Read) {
    assert!(pictures.len() <= MAX_BATCH);
    assert!(pictures.iter().all(|picture| !picture.is_empty()));
    assert!((1..=MAX_PREDICTIONS).contains(&options.top_k));
    assert!([options.min_score, options.abstain_below].iter().all(|s| (0.0..=1.0).contains(s)));
}

fn within_memory<T>(body: &[u8], unpacked: u64, read: impl FnOnce() -> T) {
    let (_, held) = ALLOCATIONS.peak_of(read);
    let allowed = SLACK + PER_BYTE * (body.len() as u64 + unpacked);
    assert!(held <= allowed, "{} bytes took {held}", body.len());
}

/// What is before and behind the first `separator`.
fn cut<'a>(data: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = data.windows(separator.len()).position(|window| window == separator)?;
    Some((&data[..at], &data[at + separator.len()..]))
}
