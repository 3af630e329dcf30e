//! HEAD, OPTIONS and the methods that a route does not have.

use http::Method;

use crate::common::answer::Answer;
use crate::common::api::{API, model, request};

fn send(method: Method, path: &str) -> Answer {
    API.send(request(method, path, None, Vec::new()))
}

/// Every route: its path and the methods that it allows.
fn routes() -> Vec<(String, &'static str)> {
    let name = model().manifest().name.clone();
    let (get, post) = ("GET,HEAD", "POST");
    [
        ("/predict", post),
        ("/v1/models/NAME:predict", post),
        ("/v2/models/NAME/infer", post),
        ("/v2/models/NAME", get),
        ("/v2/health/live", get),
        ("/v2/health/ready", get),
        ("/v2", get),
        ("/healthz", get),
        ("/model", get),
        ("/openapi.json", get),
        ("/", get),
    ]
    .map(|(path, methods)| (path.replace("NAME", &name), methods))
    .to_vec()
}

#[test]
fn a_method_that_a_route_lacks_is_refused_with_those_that_it_has() {
    for (path, allowed) in routes() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if allowed.contains(method.as_str()) {
                continue;
            }
            let answer = send(method.clone(), &path);
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            answer.problem(405, "method_not_allowed");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    for (path, allowed) in routes() {
        let answer = send(Method::HEAD, &path);
        assert!(answer.body.is_empty(), "{path}");
        if allowed == "POST" {
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{path}");
            continue;
        }
        let get = API.get(&path);
        assert_eq!(answer.status, get.status, "{path}");
        assert_eq!(answer.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(answer.header("content-length"), get.body.len().to_string(), "{path}");
    }
    let missing = send(Method::HEAD, "/nothing");
    assert_eq!(missing.status, 404);
    assert!(missing.body.is_empty());
}

#[test]
fn options_lists_the_methods() {
    for (path, allowed) in routes() {
        let answer = send(Method::OPTIONS, &path);
        assert_eq!((answer.status, answer.header("allow")), (204, allowed), "{path}");
        assert!(answer.body.is_empty(), "{path}");
    }
    send(Method::OPTIONS, "/nothing").problem(404, "not_found");
}

#[test]
fn a_path_that_is_no_route_is_not_found() {
    for path in [
        "/nothing",
        "/predict/",
        "/Predict",
        "//predict",
        "/v1/models/x",
        "/v1/models/x:explain",
        "/v1/models/:predict",
        "/v1/models/%ff:predict",
        "/v2/models/%ff/infer",
        "/%ff",
        "/v2/models//infer",
        "/v1/models/x/versions/1:predict",
        "/../etc/passwd",
    ] {
        send(Method::POST, path).problem(404, "not_found");
    }
    send(Method::GET, "/v2/models/%ff").problem(404, "not_found");
}

#[test]
fn an_announced_length_is_the_bodys() {
    for (path, _) in routes() {
        for method in [Method::GET, Method::POST] {
            let answer = send(method.clone(), &path);
            let announced = answer.headers.get("content-length");
            let wrong = announced.is_some_and(|length| *length != answer.body.len().to_string());
            assert!(!wrong, "{method} {path}: {announced:?}");
        }
    }
}

#[test]
fn every_answer_names_its_request() {
    let (one, other) = (API.get("/healthz"), API.get("/nothing"));
    assert!(!one.header("x-request-id").is_empty());
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}
