//! Bodies as browsers, curl, gateways and other servers' clients send them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use glimpse_api::ApiConfig;
use glimpse_tests::workspace;
use http::Method;
use serde_json::{Value, json};

use crate::common::answer::{Answer, without_timing};
use crate::common::api::{API, Api, cat, expected, request, store};
use crate::common::encode::{FORMATS, base64, encode, textured};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=------------------------d74496d66958873e";

fn post(path: &str, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    API.send(request(Method::POST, path, content_type, body))
}

fn is_the_cat(answer: &Answer, top_k: usize) {
    assert_eq!(without_timing(answer.ok()), expected(&cat(), top_k));
}

/// One part: its headers after `Content-Disposition: form-data; `, and its body.
fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let boundary = MULTIPART.split_once('=').unwrap().1;
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; {headers}\r\n\r\n").bytes(),
        );
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    body
}

/// As `curl -F file=@cat.jpg` writes it.
const FILE: &str = "name=\"file\"; filename=\"cat.jpg\"\r\nContent-Type: image/jpeg";

#[test]
fn the_bytes_of_a_picture_need_no_type_of_their_own() {
    for content_type in [
        None,
        Some("application/octet-stream"),
        Some("binary/octet-stream"),
        Some(FORM),
        Some("application/x-image"),
        Some("Application/X-Image; charset=binary"),
        Some("image/jpeg; charset=binary"),
    ] {
        for path in ["/predict?top_k=2", "/invocations?top_k=2"] {
            is_the_cat(&post(path, content_type, cat()), 2);
        }
    }
    for (name, format) in FORMATS {
        let file = encode(&textured(80, 60), format);
        let answer = API.post("/predict", FORM, file.clone());
        assert_eq!(without_timing(answer.ok()), expected(&file, 5), "{name}");
    }
}

#[test]
fn a_form_with_a_file_is_a_prediction() {
    let option: (&str, &[u8]) = ("name=\"top_k\"", b"2");
    is_the_cat(&API.post("/predict", MULTIPART, parts(&[(FILE, &cat()), option])), 2);
    is_the_cat(&API.post("/predict?top_k=2", MULTIPART, parts(&[(FILE, &cat())])), 2);
    // Beside the file: what browsers send for a second field in which no file was chosen.
    let empty = "name=\"second\"; filename=\"\"\r\nContent-Type: application/octet-stream";
    is_the_cat(&API.post("/predict", MULTIPART, parts(&[(empty, b""), (FILE, &cat())])), 5);
    let text = base64(&cat());
    let field = ("name=\"image_data\"", text.as_bytes());
    is_the_cat(&API.post("/predict", MULTIPART, parts(&[field, option])), 2);
    let encoded = format!("{FILE}\r\nContent-Transfer-Encoding: base64");
    is_the_cat(&API.post("/predict", MULTIPART, parts(&[(&encoded, text.as_bytes())])), 5);
}

#[test]
fn a_form_with_several_files_is_a_batch() {
    let cat = cat();
    let answer = API.post("/predict?top_k=1", MULTIPART, parts(&[(FILE, &cat), (FILE, b"text")]));
    let results = answer.ok()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 2);
    assert_eq!(without_timing(results[0].clone()), expected(&cat, 1));
    assert_eq!(results[1]["error"]["code"], "unsupported_image_format");
    let one = "name=\"images\"; filename=\"cat.jpg\"\r\nContent-Type: image/jpeg";
    let answer = API.post("/predict?top_k=1", MULTIPART, parts(&[(one, &cat)])).ok();
    assert_eq!(without_timing(answer["results"][0].clone()), expected(&cat, 1));
    let many = vec![(FILE, &b"x"[..]); 17];
    API.post("/predict", MULTIPART, parts(&many)).problem(413, "batch_too_large");
}

#[test]
fn a_broken_form_is_refused_by_name() {
    let whole = parts(&[(FILE, &cat())]);
    for body in [Vec::new(), whole[..whole.len() / 2].to_vec(), whole[..whole.len() - 8].to_vec()] {
        let problem = API.post("/predict", MULTIPART, body).problem(400, "invalid_parameter");
        assert!(problem["detail"].as_str().unwrap().contains("multipart/form-data"), "{problem}");
    }
    API.post("/predict", "multipart/form-data", whole).problem(400, "invalid_parameter");
    let only = parts(&[("name=\"top_k\"", b"2")]);
    API.post("/predict", MULTIPART, only).problem(400, "missing_image");
    let wrong = parts(&[(FILE, &cat()), ("name=\"top_k\"", b"many")]);
    let problem = API.post("/predict", MULTIPART, wrong).problem(400, "invalid_parameter");
    assert_eq!(problem["detail"], "top_k in the form: expected a whole number");
    API.post("/predict", MULTIPART, parts(&[(FILE, b"")])).problem(400, "missing_image");
    let fields = vec![("name=\"x\"", &b"1"[..]); 100];
    API.post("/predict", MULTIPART, parts(&fields)).problem(400, "invalid_parameter");
}

#[test]
fn an_urlencoded_form_is_a_prediction() {
    let text = base64(&cat());
    let escaped = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    is_the_cat(&API.post("/predict", FORM, format!("image_data={escaped}&top_k=2")), 2);
    let batch = API.post("/predict", FORM, format!("images={escaped}&images={escaped}")).ok();
    assert_eq!(without_timing(batch["results"][1].clone()), expected(&cat(), 5));
    // A form makes a space of a `+` that is not escaped, and the picture cannot be known.
    assert!(text.contains('+'));
    let problem =
        API.post("/predict", FORM, format!("image_data={text}")).problem(400, "invalid_base64");
    assert!(problem["detail"].as_str().unwrap().contains("%2B"), "{problem}");
    API.post("/predict", FORM, "top_k=2").problem(400, "missing_image");
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn encoded(api: &Api, path: &str, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, path, Some(content_type), body);
    request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
    api.send(request)
}

#[test]
fn compressed_bodies_are_unpacked_under_the_limit_of_plain_ones() {
    let json = json!({ "image_data": base64(&cat()) }).to_string();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(json.as_bytes()).unwrap();
    is_the_cat(&encoded(&API, "/predict", "image/jpeg", "gzip", gzip(&cat())), 5);
    is_the_cat(&encoded(&API, "/predict", JSON, "gzip", gzip(json.as_bytes())), 5);
    is_the_cat(&encoded(&API, "/predict", JSON, "deflate", zlib.finish().unwrap()), 5);
    encoded(&API, "/predict", "image/jpeg", "br", cat()).problem(415, "unsupported_media_type");
    encoded(&API, "/predict", "image/jpeg", "gzip", cat()).problem(400, "invalid_parameter");
    let config = ApiConfig { max_body_bytes: 100_000, ..ApiConfig::default() };
    let small = Api::new(store(&workspace::default_bundle()), config);
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 100_000);
    encoded(&small, "/predict", JSON, "gzip", bomb.clone()).problem(413, "payload_too_large");
    let name = crate::common::api::model().manifest().name.clone();
    for path in [format!("/v1/models/{name}:predict"), format!("/v2/models/{name}/infer")] {
        encoded(&small, &path, JSON, "gzip", bomb.clone()).error(413);
    }
}

#[test]
fn a_byte_order_mark_before_json_is_left_out() {
    let text = json!({ "image_data": base64(&cat()) }).to_string();
    is_the_cat(&API.post("/predict", JSON, format!("\u{feff}{text}")), 5);
}

#[test]
fn data_urls_are_read_as_browsers_read_them() {
    let text = base64(&cat());
    let escaped = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for url in [
        format!("\ndata:image/jpeg;base64,{text}"),
        format!("data:image/jpeg; base64,{text}"),
        format!("data:image/jpeg;base64,{escaped}"),
    ] {
        is_the_cat(&API.post_json("/predict", &json!({ "image_data": url })), 5);
    }
}

#[test]
fn base64_that_lost_a_character_is_refused_and_says_how() {
    let text = base64(&cat());
    let spaces = text.replace('+', " ");
    assert_ne!(spaces, text);
    for (text, said) in [(spaces, "a space"), (format!("b'{text}'"), "Python")] {
        let problem = API
            .post_json("/predict", &json!({ "image_data": text }))
            .problem(400, "invalid_base64");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
}

#[test]
fn a_picture_that_became_text_on_its_way_is_refused_and_says_how() {
    let lost = String::from_utf8_lossy(&cat()).into_owned().into_bytes();
    let text = base64(&cat()).into_bytes();
    let json = json!({ "image_data": base64(&cat()) }).to_string().into_bytes();
    for (body, said) in
        [(lost, "binaryMediaTypes"), (text, "base64 text"), (json, "application/json")]
    {
        for content_type in ["image/jpeg", "application/octet-stream"] {
            let problem = API
                .post("/predict", content_type, body.clone())
                .problem(415, "unsupported_image_format");
            assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
        }
    }
    // What a form that is none says: JSON with curl's default type.
    let json = json!({ "image_data": base64(&cat()) }).to_string();
    API.post("/predict", FORM, json).problem(415, "unsupported_image_format");
}

#[test]
fn an_instance_has_its_key_beside_its_prediction() {
    let text = base64(&cat());
    let path = format!("/v1/models/{}:predict", crate::common::api::model().manifest().name);
    let instances = json!([
        { "key": "a.jpg", "image_bytes": { "b64": text } },
        { "key": 7, "b64": text },
        { "content": text, "mimeType": "image/jpeg" },
    ]);
    let answer = API.post_json(&path, &json!({ "instances": instances })).ok();
    let keys: Vec<&Value> =
        answer["predictions"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, [&json!("a.jpg"), &json!(7), &Value::Null]);
    assert_eq!(answer["predictions"][2]["label"], expected(&cat(), 1)["label"]);
    let wrong = json!({ "instances": [{ "key": [1], "b64": text }] });
    assert!(API.post_json(&path, &wrong).error(400).contains("key"));
}
