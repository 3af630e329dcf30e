//! HEAD, OPTIONS and the methods that a route does not have.

use http::Method;

use crate::common::answer::Answer;
use crate::common::api::{API, model, request};

fn send(method: Method, path: &str) -> Answer {
    API.send(request(method, path, None, Vec::new()))
}

const GET: &str = "GET,HEAD";
const POST: &str = "POST";

/// Every route: its path as the document writes it, and the methods that it allows.
pub const ROUTES: [(&str, &str); 31] = [
    ("/predict", POST),
    ("/uploads", POST),
    ("/results/{id}", GET),
    ("/ping", GET),
    ("/invocations", POST),
    ("/v1/models/{name}", GET),
    ("/v1/models/{name}/metadata", GET),
    ("/v1/models/{name}:predict", POST),
    ("/v1/models/{name}/versions/{version}", GET),
    ("/v1/models/{name}/versions/{version}/metadata", GET),
    ("/v1/models/{name}/versions/{version}:predict", POST),
    ("/v2", GET),
    ("/v2/health/live", GET),
    ("/v2/health/ready", GET),
    ("/v2/models/{name}", GET),
    ("/v2/models/{name}/ready", GET),
    ("/v2/models/{name}/infer", POST),
    ("/v2/models/{name}/versions/{version}", GET),
    ("/v2/models/{name}/versions/{version}/ready", GET),
    ("/v2/models/{name}/versions/{version}/infer", POST),
    ("/v2/models/{name}/config", GET),
    ("/v2/models/{name}/versions/{version}/config", GET),
    ("/v2/models/{name}/stats", GET),
    ("/v2/models/{name}/versions/{version}/stats", GET),
    ("/v2/models/stats", GET),
    ("/v2/repository/index", POST),
    ("/healthz", GET),
    ("/model", GET),
    ("/openapi.json", GET),
    ("/docs", GET),
    ("/", GET),
];

/// The routes with the default bundle's name and version in their paths.
fn routes() -> Vec<(String, &'static str)> {
    let model = model();
    let manifest = model.manifest();
    let filled = |(path, methods): (&str, &'static str)| {
        let path = path.replace("{name}", &manifest.name).replace("{version}", &manifest.version);
        (path.replace("{id}", "x"), methods)
    };
    ROUTES.map(filled).to_vec()
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
            answer.refused(&path, 405, "method_not_allowed");
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
        assert_eq!(get.header("cache-control"), "no-store", "{path}");
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
fn a_path_without_a_route_is_not_found() {
    for path in [
        "/nothing",
        "/predict/",
        "/Predict",
        "//predict",
        "/v1/models/x:explain",
        "/v1/models/:predict",
        "/v1/models/%ff:predict",
        "/v2/models/%ff/infer",
        "/%ff",
        "/v2/models//infer",
        "/v1/models/x/versions/1:predict",
        "/v1/models/x/versions/1:explain",
        "/v2/models/x/versions/1/infer",
        "/v2/models/x/configuration",
        "/v1",
        "/v11",
        "/../etc/passwd",
    ] {
        send(Method::POST, path).refused(path, 404, "not_found");
    }
    send(Method::GET, "/v2/models/%ff").error(404);
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
