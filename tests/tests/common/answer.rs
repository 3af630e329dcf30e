//! A response, read whole, and what must hold of every one.

use std::collections::BTreeMap;

use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;

/// Status, headers and body of one response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(header).collect(),
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/json");
        self.json()
    }

    /// The problem that this answer is, after checking all that RFC 9457 and the contract ask of it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let problem = self.json();
        check_problem(&problem, status, code);
        let retry = self.headers.get("retry-after").map(|seconds| seconds.parse::<u32>().unwrap());
        assert_eq!(retry.is_some(), status == 503, "Retry-After is for 503: {text}");
        let quoted = problem["request_id"].as_str();
        assert_eq!(quoted.is_some(), status >= 500, "{text}");
        if let Some(quoted) = quoted {
            assert_eq!(quoted, self.header("x-request-id"));
        }
        problem
    }
}

impl Answer {
    /// An error in the form of the protocol that `path` belongs to.
    #[track_caller]
    pub fn refused(&self, path: &str, status: u16, code: &str) {
        let mut segments = path.split('/');
        if matches!(segments.nth(1), Some("v1" | "v2")) {
            self.error(status);
        } else {
            self.problem(status, code);
        }
    }

    /// The message of an error as the protocols of other servers write it: `{"error": "…"}`.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/json", "{text}");
        assert_eq!(self.headers.contains_key("retry-after"), status == 503, "{text}");
        check_no_leak(&text);
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{text}");
        body["error"].as_str().filter(|message| !message.is_empty()).expect("a message").to_owned()
    }
}

/// What holds for a problem, whether it is a response or one element of a batch.
#[track_caller]
pub fn check_problem(problem: &Value, status: u16, code: &str) {
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    for member in ["type", "title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    check_no_leak(&problem.to_string());
}

#[track_caller]
fn check_no_leak(text: &str) {
    for leak in
        [env!("CARGO_MANIFEST_DIR"), "/tmp", "/opt", ".rs:", "panicked", "s3://", "127.0.0."]
    {
        assert!(!text.contains(leak), "{leak} leaks: {text}");
    }
}

/// An answer to `POST /predict` without what differs from run to run.
pub fn without_timing(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        let timing = members.remove("timing_ms").expect("an answer has timing_ms");
        for stage in ["decode", "preprocess", "infer"] {
            assert!(timing[stage].as_f64().is_some_and(|ms| ms >= 0.0), "{timing}");
        }
    }
    answer
}
