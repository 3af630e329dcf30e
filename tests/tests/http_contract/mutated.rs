//! Requests of every protocol with pieces changed, cut, doubled and spliced: each is answered or refused in
//! its protocol's form, soon, and never with an internal error.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, Request};
use image::ImageFormat;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::common::api::Api;
use crate::common::encode::{base64, encode, pages, textured};
use crate::common::toy::{self, Graph};

const LENGTH: &str = "inference-header-content-length";

static TOY: LazyLock<Api> = LazyLock::new(|| {
    let api = Api::folder(toy::bundle(Graph::Explained).keep().as_path());
    assert_eq!(api.get("/model").status, 200);
    api
});

/// A request whose body is changed.
#[derive(Debug, Clone)]
struct Seed {
    path: &'static str,
    content_type: &'static str,
    /// Of the JSON before binary tensors.
    json_length: Option<usize>,
    body: Vec<u8>,
}

/// A request in each form of each protocol.
static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let picture = encode(&textured(2, 2), ImageFormat::Png);
    let text = base64(&picture);
    let scan = base64(&pages(&[[1, 2, 3], [9, 9, 9]]));
    let url = format!("data:image/png;base64,{text}");
    let percent = text.replace('+', "%2B").replace('/', "%2F");
    let json = |path, body: Value| seed(path, "application/json", None, body.to_string().into());
    let tensor =
        |data: Value| json!({ "name": "image", "shape": [1], "datatype": "BYTES", "data": [data] });
    let side = toy::SIDE as usize;
    let pixels = json!([{ "name": "image", "shape": [1, side, side, 3], "datatype": "UINT8",
                          "data": vec![7; side * side * 3] }]);
    let element = [&u32::try_from(picture.len()).unwrap().to_le_bytes()[..], &picture].concat();
    let head = json!({
        "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES",
                     "parameters": { "binary_data_size": element.len() } }],
        "outputs": [{ "name": "label", "parameters": { "binary_data": true } }, { "name": "pages" }]
    })
    .to_string();
    let part = |name: &str, rest: &str, content: &[u8]| {
        let head =
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let file = "; filename=\"a.png\"\r\nContent-Type: image/png";
    let coded = "; filename=\"b.png\"\r\nContent-Transfer-Encoding: base64";
    let form = [
        part("file", file, &picture),
        part("images", coded, text.as_bytes()),
        part("top_k", "", b"2"),
        b"--xyz--\r\n".to_vec(),
    ]
    .concat();
    let infer = "/v2/models/toy/infer";
    let predict = "/v1/models/toy:predict";
    vec![
        json(
            "/predict",
            json!({ "image_data": text, "top_k": 3, "explain": { "labels": ["red", 1], "format": "png" } }),
        ),
        json(
            "/predict",
            json!({ "image": scan, "page": 1, "min_score": 0.5, "embedding": true, "ood": true }),
        ),
        json("/predict", json!({ "images": [text, url], "abstain_below": 0.1 })),
        json("/predict", json!({ "s3": { "bucket": "a", "key": "b/c.png" } })),
        seed("/predict", "multipart/form-data; boundary=xyz", None, form),
        seed(
            "/predict",
            "application/x-www-form-urlencoded",
            None,
            format!("image_data={percent}&page=0&images={percent}&explain=map").into(),
        ),
        seed("/predict?top_k=1", "image/png", None, picture.clone()),
        seed("/invocations", "application/x-image", None, picture.clone()),
        json("/invocations", json!({ "image_data": url })),
        json(
            predict,
            json!({ "instances": [{ "b64": text, "key": 7 }, { "image": { "b64": text } }, { "content": text, "mimeType": "image/png" }] }),
        ),
        json(
            predict,
            json!({ "inputs": { "image": [{ "b64": scan }] }, "parameters": { "page": 1 }, "signature_name": "serving_default" }),
        ),
        json(
            infer,
            json!({ "id": "1", "inputs": [tensor(json!(text))], "parameters": { "top_k": 2, "page": 0 }, "outputs": [{ "name": "score" }] }),
        ),
        json(infer, json!({ "inputs": pixels })),
        seed(
            infer,
            "application/octet-stream",
            Some(head.len()),
            [head.as_bytes(), &element].concat(),
        ),
        seed(infer, "application/octet-stream", Some(0), picture),
    ]
});

fn seed(
    path: &'static str,
    content_type: &'static str,
    json_length: Option<usize>,
    body: Vec<u8>,
) -> Seed {
    Seed { path, content_type, json_length, body }
}

/// What parsers trip over.
const PIECES: [&str; 36] = [
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[",
    "{\"",
    "\"",
    ",",
    ":",
    "-1",
    "1e400",
    "-0",
    "0.5",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{fffd}",
    "=",
    "==",
    "%",
    "%00",
    "%zz",
    "&",
    "+",
    " ",
    "\r\n",
    "\r\n\r\n",
    "--xyz",
    "--xyz--",
    "data:",
    ";base64,",
    "data:,%",
    "\0",
    "image",
    "page",
];

#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, &'static str),
    Double(Index, usize),
    Cut(Index),
    /// What another request has, from there on.
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, count)| Change::Double(at, count)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        let range = |at: &Index, count: &usize| {
            let at = at.index(length);
            at..(at + count).min(length)
        };
        match self {
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Remove(at, count) => drop(bytes.drain(range(at, count))),
            Self::Insert(at, piece) => {
                let at = at.index(length);
                bytes.splice(at..at, piece.bytes());
            }
            Self::Double(at, count) => {
                let range = range(at, count);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, again);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Splice(at, other) => {
                let other = &SEEDS[other.index(SEEDS.len())].body;
                bytes.truncate(at.index(length));
                bytes.extend_from_slice(&other[at.index(other.len())..]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_request_is_answered_or_refused_in_its_form(
        which in any::<Index>(),
        changes in vec(change(), 1..6),
    ) {
        let seed = &SEEDS[which.index(SEEDS.len())];
        let mut body = seed.body.clone();
        for change in &changes {
            change.apply(&mut body);
        }
        let request = Request::builder().method(Method::POST).uri(seed.path);
        let mut request = request.header("content-type", seed.content_type);
        if let Some(length) = seed.json_length {
            request = request.header(LENGTH, length);
        }
        let started = Instant::now();
        let answer = TOY.send(request.body(Body::from(body)).unwrap());
        prop_assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        let is_refusal = matches!(answer.status, 400 | 404 | 413 | 415 | 422);
        prop_assert!(answer.status == 200 || is_refusal, "{}: {:?}", answer.status, answer.body);
        if is_refusal && seed.path.starts_with("/v") {
            prop_assert!(answer.json()["error"].is_string());
        } else if is_refusal {
            prop_assert!(answer.json()["code"].is_string());
        } else if answer.header("content-type") == "application/json" {
            answer.json();
        }
    }
}

#[test]
fn every_request_is_answered_before_it_is_changed() {
    for seed in SEEDS.iter().filter(|seed| !seed.body.starts_with(b"{\"s3\"")) {
        let request = Request::builder().method(Method::POST).uri(seed.path);
        let mut request = request.header("content-type", seed.content_type);
        if let Some(length) = seed.json_length {
            request = request.header(LENGTH, length);
        }
        let answer = TOY.send(request.body(Body::from(seed.body.clone())).unwrap());
        assert_eq!(answer.status, 200, "{}: {:?}", seed.path, answer.body);
    }
}
