//! Every row of the error table, and the whole text of each in one snapshot.

use glimpse_api::ApiConfig;
use glimpse_tests::workspace;
use http::Method;
use serde_json::json;

use crate::common::answer::Answer;
use crate::common::api::{API, Api, cat, request, store};
use crate::common::encode::{base64, crc32};
use crate::common::toy;

const JSON: &str = "application/json";

/// One row: what is sent, and what comes back.
struct Row {
    name: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn row(
    name: &'static str,
    (content_type, body): (&'static str, Vec<u8>),
    (status, code): (u16, &'static str),
) -> Row {
    Row { name, path: "/predict", content_type, body, status, code }
}

fn json_body(value: &serde_json::Value) -> (&'static str, Vec<u8>) {
    (JSON, value.to_string().into())
}

fn rows() -> Vec<Row> {
    let cat = cat();
    let text = base64(&cat);
    let image = |bytes: &[u8]| ("image/jpeg", bytes.to_vec());
    let too_many = json!({ "images": vec![""; 17] });
    let two_forms = json!({ "image": text, "image_data": text });
    let invalid_json = (400, "invalid_json");
    let missing_image = (400, "missing_image");
    let invalid_base64 = (400, "invalid_base64");
    let invalid_parameter = (400, "invalid_parameter");
    let media_type = (415, "unsupported_media_type");
    let format = (415, "unsupported_image_format");
    vec![
        row("not JSON", (JSON, b"{\"image\": ".to_vec()), invalid_json),
        row("no body", (JSON, Vec::new()), invalid_json),
        row("no members", json_body(&json!({})), missing_image),
        row("options alone", json_body(&json!({ "top_k": 1 })), missing_image),
        row("null", json_body(&json!({ "image": null })), missing_image),
        row("empty text", json_body(&json!({ "image": "" })), missing_image),
        row(
            "empty data URL",
            json_body(&json!({ "image": "data:image/png;base64," })),
            missing_image,
        ),
        row("empty batch", json_body(&json!({ "images": [] })), missing_image),
        row("empty image body", image(b""), missing_image),
        row("not base64", json_body(&json!({ "image_data": "§§§" })), invalid_base64),
        row("data URL without base64", json_body(&json!({ "image": "data:,x" })), invalid_base64),
        row("two forms", json_body(&two_forms), invalid_parameter),
        row("a number as image", json_body(&json!({ "image": 5 })), invalid_parameter),
        row("not an object", json_body(&json!("picture")), invalid_parameter),
        row(
            "members in a list",
            json_body(&json!([text, null, null, null, 0, 1, 0, 0, false, false, false])),
            invalid_parameter,
        ),
        row("unknown member", json_body(&json!({ "picture": text })), invalid_parameter),
        row(
            "bucket not allowed",
            json_body(&json!({ "s3": { "bucket": "secret", "key": "x.jpg" } })),
            invalid_parameter,
        ),
        row("image over the limit", image(&huge_png()), (413, "image_too_large")),
        row("batch over the limit", json_body(&too_many), (413, "batch_too_large")),
        row("text", ("text/plain", b"hello".to_vec()), media_type),
        row(
            "a form without a file",
            ("multipart/form-data; boundary=x", b"--x--".to_vec()),
            missing_image,
        ),
        row(
            "a form cut off",
            ("multipart/form-data; boundary=x", b"--x\r\n".to_vec()),
            invalid_parameter,
        ),
        row("text without a type", ("", b"hello".to_vec()), format),
        row("base64 as bytes", image(text.as_bytes()), format),
        row("bytes turned into text", image(String::from_utf8_lossy(&cat).as_bytes()), format),
        row("Python's bytes", json_body(&json!({ "image": format!("b'{text}'") })), invalid_base64),
        row("PDF", image(b"%PDF-1.7 not a picture"), format),
        row("ICO", image(b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\0\0\0\0\0\0\0\0"), format),
        row("broken JPEG", image(&cat[..200]), (422, "corrupt_image")),
        row(
            "AVIF without a picture",
            image(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"),
            (422, "corrupt_image"),
        ),
        row("half a JPEG", image(&cat[..cat.len() / 2]), (422, "corrupt_image")),
        Row {
            path: "/v2/models/none/infer",
            ..row("no such model", json_body(&json!({})), (404, "not_found"))
        },
        Row {
            path: "/predict/x",
            ..row("no such route", json_body(&json!({})), (404, "not_found"))
        },
        Row {
            path: "/healthz",
            ..row("wrong method", json_body(&json!({})), (405, "method_not_allowed"))
        },
    ]
}

/// Signature and header of a PNG of 40,000 × 40,000 pixels.
pub fn huge_png() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(40_000_u32.to_be_bytes());
    header.extend(40_000_u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let checksum = crc32(&header).to_be_bytes();
    let length = 13_u32.to_be_bytes();
    let end = b"\0\0\0\0IDAT\x35\xaf\x06\x1e".to_vec();
    [b"\x89PNG\r\n\x1a\n".to_vec(), length.to_vec(), header, checksum.to_vec(), end].concat()
}

fn send(row: &Row) -> Answer {
    let content_type = Some(row.content_type).filter(|content_type| !content_type.is_empty());
    API.send(request(Method::POST, row.path, content_type, row.body.clone()))
}

#[test]
fn every_row_has_its_status_and_code() {
    for row in rows() {
        println!("{}", row.name);
        send(&row).refused(row.path, row.status, row.code);
    }
}

/// What a caller reads is part of the contract; a change must be seen in review.
#[test]
fn the_text_of_every_error_is_as_reviewed() {
    let mut all: Vec<(&str, Answer)> = rows().iter().map(|row| (row.name, send(row))).collect();
    all.push(("body over the limit", small().post("/predict", JSON, vec![b' '; 1001])));
    all.push(("model unavailable", unavailable().predict(&cat())));
    all.push(("internal", broken().predict(&cat())));
    let text = all.iter().map(|(name, answer)| {
        let mut problem = answer.json();
        if problem["request_id"].is_string() {
            problem["request_id"] = json!("…");
        }
        format!("{name}\n{}\n", serde_json::to_string_pretty(&problem).unwrap())
    });
    insta::assert_snapshot!(text.collect::<Vec<_>>().join("\n"));
}

fn small() -> Api {
    let config = ApiConfig { max_body_bytes: 1000, ..ApiConfig::default() };
    Api::new(store(&workspace::default_bundle()), config)
}

/// A body is refused by what it announces, and by what it holds when it announces nothing.
#[test]
fn a_body_over_the_limit_is_payload_too_large() {
    let api = small();
    for announced in [None, Some("5"), Some("1001"), Some("not a number")] {
        let mut request = request(Method::POST, "/predict", Some("image/png"), vec![0; 1001]);
        if let Some(announced) = announced {
            request.headers_mut().insert("content-length", announced.parse().unwrap());
        }
        let problem = api.send(request).problem(413, "payload_too_large");
        assert!(problem["detail"].as_str().unwrap().contains("GLIMPSE_MAX_BODY_BYTES"));
    }
    api.post("/predict", "image/png", vec![0; 1000]).problem(415, "unsupported_image_format");
    let routes = ["/v1/models/resnet50:predict", "/v2/models/resnet50/infer"];
    for route in routes {
        let message = api.post(route, JSON, vec![b' '; 1001]).error(413);
        assert!(message.contains("GLIMPSE_MAX_BODY_BYTES"), "{message}");
    }
}

fn unavailable() -> Api {
    Api::folder(&workspace::root().join("models/no-such-bundle"))
}

#[test]
fn a_bundle_that_cannot_be_read_is_model_unavailable_on_every_route_that_needs_it() {
    let api = unavailable();
    api.predict(&cat()).problem(503, "model_unavailable");
    api.post("/predict", "image/jpeg", cat()).problem(503, "model_unavailable");
    api.post_json("/predict", &json!({ "images": [base64(&cat())] }))
        .problem(503, "model_unavailable");
    api.get("/model").problem(503, "model_unavailable");
    api.post("/invocations", "image/jpeg", cat()).problem(503, "model_unavailable");
    api.get("/ping").problem(503, "model_unavailable");
    for path in ["/v1/models/any", "/v1/models/any/metadata", "/v2/models/any"] {
        api.get(path).error(503);
    }
    api.post_json("/v2/models/any/infer", &json!({ "inputs": [] })).error(503);
    api.post_json("/v1/models/any:predict", &json!({ "instances": [] })).error(503);
    for alive in ["/healthz", "/v2", "/v2/health/live", "/openapi.json", "/"] {
        assert_eq!(api.get(alive).status, 200, "{alive}");
    }
}

fn broken() -> Api {
    let folder = toy::bundle(toy::Graph::NotANumber);
    let api = Api::folder(folder.path());
    // The load happens now, while the folder is there.
    assert_eq!(api.get("/model").status, 200);
    api
}

#[test]
fn a_model_that_gives_no_numbers_is_an_internal_error_and_never_an_answer() {
    broken().predict(&cat()).problem(500, "internal");
}
