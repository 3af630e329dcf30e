//! Events as API Gateway sends them, and the responses that come back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An HTTP API event (payload 2.0): `body` as text.
#[must_use]
pub fn http_api(method: &str, path: &str, content_type: Option<&str>, body: &str) -> Value {
    event(method, path, content_type, &json!(body), false)
}

/// An HTTP API event (payload 2.0) with a binary body, as API Gateway encodes it.
#[must_use]
pub fn http_api_binary(method: &str, path: &str, content_type: &str, body: &[u8]) -> Value {
    event(method, path, Some(content_type), &json!(STANDARD.encode(body)), true)
}

/// `POST /predict` with `{"image_data": …}`.
#[must_use]
pub fn predict(picture: &[u8]) -> Value {
    let body = json!({ "image_data": STANDARD.encode(picture) }).to_string();
    http_api("POST", "/predict", Some("application/json"), &body)
}

fn event(
    method: &str,
    path: &str,
    content_type: Option<&str>,
    body: &Value,
    base64: bool,
) -> Value {
    let mut headers = json!({ "host": "example.execute-api.eu-west-1.amazonaws.com" });
    if let Some(content_type) = content_type {
        headers["content-type"] = json!(content_type);
    }
    with_headers(method, path, &headers, body, base64)
}

/// An HTTP API event (payload 2.0) with these headers, whose names are in lower case.
#[must_use]
pub fn with_headers(
    method: &str,
    path: &str,
    headers: &Value,
    body: &Value,
    base64: bool,
) -> Value {
    let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "example",
            "domainName": "example.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "example",
            "http": { "method": method, "path": raw_path, "protocol": "HTTP/1.1",
                      "sourceIp": "192.0.2.1", "userAgent": "test" },
            "requestId": "example-request-id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64
        },
        "body": body,
        "isBase64Encoded": base64
    })
}

/// The status and JSON body of a response event.
///
/// # Panics
/// When it is no response event with a JSON body.
#[must_use]
#[allow(clippy::expect_used)]
pub fn answer(response: &Value) -> (u64, Value) {
    let status = response["statusCode"].as_u64();
    let body = response["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
    status.zip(body).expect("a response event with a JSON body")
}
