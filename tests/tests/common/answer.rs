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

/// What holds for a problem, whether it is a response or one element of a batch.
#[track_caller]
pub fn check_problem(problem: &Value, status: u16, code: &str) {
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    for member in ["type", "title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    let text = problem.to_string();
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
