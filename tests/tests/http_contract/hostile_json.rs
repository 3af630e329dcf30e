//! JSON that was not written by a friend.

use serde_json::json;

use crate::common::answer::Answer;
use crate::common::api::{API, cat, model};
use crate::common::encode::base64;

fn send(body: impl Into<Vec<u8>>) -> Answer {
    API.post("/predict", "application/json", body)
}

#[test]
fn nesting_however_deep_is_refused_without_a_stack_overflow() {
    let (open, close) = ("[".repeat(500_000), "]".repeat(500_000));
    for body in [
        open.clone(),
        format!("{open}{close}"),
        format!(r#"{{"explain": {open}{close}}}"#),
        format!(r#"{{"images": {open}{close}}}"#),
        r#"{"explain":"#.repeat(500_000),
    ] {
        assert_eq!(send(body).status, 400);
    }
    let name = model().manifest().name.clone();
    let about = r#""name": "image", "shape": [1], "datatype": "BYTES""#;
    let tensor = format!(r#"{{"inputs": [{{{about}, "data": {open}{close}}}]}}"#);
    API.post(&format!("/v2/models/{name}/infer"), "application/json", tensor).error(400);
    for body in [
        format!(r#"{{"instances": {open}{close}}}"#),
        format!(r#"{{"inputs": {open}{close}}}"#),
        format!(r#"{{"other": {open}{close}}}"#),
    ] {
        API.post(&format!("/v1/models/{name}:predict"), "application/json", body).error(400);
    }
}

#[test]
fn numbers_that_no_type_holds_are_refused() {
    let image = base64(&cat());
    for number in ["1e999", "-1e999", "18446744073709551616", "-9223372036854775809", "1e-999999"] {
        for member in ["top_k", "min_score"] {
            let body = format!(r#"{{"image": "{image}", "{member}": {number}}}"#);
            // The last one is 0 to a float, which min_score may be.
            if (number, member) != ("1e-999999", "min_score") {
                assert_eq!(send(body).status, 400, "{member}: {number}");
            }
        }
    }
    let long = format!(r#"{{"image": "{image}", "top_k": {}}}"#, "9".repeat(1_000_000));
    assert_eq!(send(long).status, 400);
}

#[test]
fn a_list_is_refused_where_an_object_is_expected() {
    let image = base64(&cat());
    let name = model().manifest().name.clone();
    send(format!(r#"["{image}"]"#)).problem(400, "invalid_parameter");
    send(r#"{"s3": ["bucket", "key"]}"#).problem(400, "invalid_parameter");
    let rows = format!(r#"{{"instances": [["{image}"]]}}"#);
    API.post(&format!("/v1/models/{name}:predict"), "application/json", rows).error(400);
    let tensor = format!(r#"{{"inputs": [["image", [1], "BYTES", null, ["{image}"]]]}}"#);
    API.post(&format!("/v2/models/{name}/infer"), "application/json", tensor).error(400);
}

#[test]
fn a_member_given_twice_is_refused() {
    let image = base64(&cat());
    for body in [
        format!(r#"{{"image": "{image}", "image": "{image}"}}"#),
        format!(r#"{{"image": "{image}", "top_k": 1, "top_k": 2}}"#),
    ] {
        send(body).problem(400, "invalid_parameter");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    for text in [&b"\xff\xfe"[..], b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
        let body = [br#"{"image": ""#, text, br#""}"#].concat();
        send(body).problem(400, "invalid_json");
    }
    send(b"\xef\xbb\xbf\xff".as_slice()).problem(400, "invalid_json");
    send(r#"{"image": "\ud800"}"#).problem(400, "invalid_json");
    send(b"{\"image\": \"\0\"}".as_slice()).problem(400, "invalid_json");
}

#[test]
fn what_follows_the_json_is_refused() {
    let body = format!(r#"{{"image": "{}"}} {{}}"#, base64(&cat()));
    send(body).problem(400, "invalid_json");
}

#[test]
fn an_answer_repeats_no_more_than_the_beginning_of_what_was_wrong() {
    let body = json!({ "top_k": "x".repeat(100_000) }).to_string();
    let answer = send(body);
    answer.problem(400, "invalid_parameter");
    assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
    let answer = API.post("/predict", &format!("x/{}", "y".repeat(5000)), "");
    answer.problem(415, "unsupported_media_type");
    assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
}
