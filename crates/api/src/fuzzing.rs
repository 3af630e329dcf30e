//! Requests read as the handlers read them, without a model: what `tests/fuzz` tries.

use bytes::Bytes;
use glimpse_classifier::{InputSpec, Options, Task};
use http::HeaderMap;

use crate::extract::base64;
use crate::extract::encoding::Encoding;
use crate::predict::{self, Pictures};
use crate::problem::Problem;
use crate::protocol::{open_inference, tensorflow_serving};

/// A compressed body unpacks to so many bytes at most.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// So many pictures are a batch at most.
pub const MAX_BATCH: usize = 16;
/// Of the model that requests are held against.
pub const CLASSES: usize = 10;
const SIDE: u32 = 8;

/// What a request asks for.
#[derive(Debug)]
pub struct Read {
    /// Encoded, or pixels. Those of a batch that were refused alone are left out.
    pub pictures: Vec<Vec<u8>>,
    /// Checked.
    pub options: Options,
}

/// A request to `/predict` or, which is the same, SageMaker's `/invocations`.
///
/// # Errors
/// What the client would be told.
pub async fn predict(
    query: Option<&str>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Read, Problem> {
    let body = Encoding::of(headers)?.unpack(body, MAX_BODY_BYTES)?;
    let (pictures, options) = predict::read(query, headers, body, MAX_BATCH).await?;
    let pictures = match pictures {
        Pictures::One(picture) => vec![picture],
        Pictures::Batch(batch) => batch.into_iter().flatten().collect(),
        Pictures::Object(_) => Vec::new(),
    };
    Ok(Read { pictures, options })
}

/// A prediction of TensorFlow Serving.
///
/// # Errors
/// What the client would be told.
pub fn tensorflow_serving(body: &[u8]) -> Result<Read, Problem> {
    let read = tensorflow_serving::parse(body, MAX_BATCH)?;
    Ok(Read { pictures: read.pictures, options: read.options })
}

/// An inference of the Open Inference Protocol; `header_length` is the value of
/// `Inference-Header-Content-Length`.
///
/// # Errors
/// What the client would be told.
pub fn open_inference(header_length: Option<&[u8]>, body: &[u8]) -> Result<Read, Problem> {
    let input = InputSpec::centre_of(SIDE, SIDE, SIDE);
    let expected = open_inference::Expected {
        input,
        task: Task::SingleLabel,
        classes: CLASSES,
        max_batch: MAX_BATCH,
    };
    let read = open_inference::parse(body, header_length, &expected)?;
    let pictures = match read.pictures {
        open_inference::Pictures::Encoded(pictures) => pictures,
        open_inference::Pictures::Pixels { bytes, n } => {
            assert_eq!(bytes.len(), n * input.bytes());
            bytes.chunks_exact(input.bytes()).map(<[u8]>::to_vec).collect()
        }
    };
    let options = Options { top_k: read.top_k.unwrap_or(1), page: read.page, ..Options::default() };
    Ok(Read { pictures, options })
}

/// Base64, or a `data:` URL of it.
///
/// # Errors
/// What the client would be told.
pub fn base64(text: &str) -> Result<Vec<u8>, Problem> {
    base64::picture(text)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn each_protocol_reads_the_same_pictures() {
        let json = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        )]);
        let body = Bytes::from_static(br#"{"images": ["AQI=", "Aw=="]}"#);
        let read = predict(Some("top_k=3"), &json, body).now_or_never().unwrap().unwrap();
        assert_eq!((read.pictures, read.options.top_k), (vec![vec![1, 2], vec![3]], 3));
        let rows = br#"{"instances": [{"b64": "AQI="}, {"content": "Aw=="}]}"#;
        assert_eq!(tensorflow_serving(rows).unwrap().pictures, [vec![1, 2], vec![3]]);
        let tensor = br#"{"inputs": [{"name": "image", "shape": [2], "datatype": "BYTES", "data": ["AQI=", "Aw=="]}]}"#;
        assert_eq!(open_inference(None, tensor).unwrap().pictures, [vec![1, 2], vec![3]]);
        assert_eq!(open_inference(Some(b"0"), &[1, 2]).unwrap().pictures, [[1, 2]]);
        assert_eq!(base64("data:;base64,AQI=").unwrap(), [1, 2]);
    }
}
