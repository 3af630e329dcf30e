//! The option `page`, and the counts of pages and frames, in every protocol.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::common::api::Api;
use crate::common::encode::{animation, base64, pages};
use crate::common::toy::{self, Graph};

const RED: [u8; 3] = [200, 0, 0];
const GREEN: [u8; 3] = [0, 200, 0];
const BLUE: [u8; 3] = [0, 0, 200];

const JSON: &str = "application/json";
const BATCH: &str = "/v1/models/toy:predict";
const INFER: &str = "/v2/models/toy/infer";
const NO_SUCH_PAGE: &str = "page 3 does not exist; the image has 3, counted from 0";

/// The label is the strongest colour.
static TOY: LazyLock<Api> =
    LazyLock::new(|| Api::folder(toy::bundle(Graph::MeanColour).keep().as_path()));

/// Three pages: red, green, blue.
fn scan() -> Vec<u8> {
    pages(&[RED, GREEN, BLUE])
}

fn multipart(picture: &[u8], fields: &str) -> Vec<u8> {
    let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.tif\"\r\n\r\n";
    [head.as_bytes(), picture, b"\r\n", fields.as_bytes(), b"--x--\r\n"].concat()
}

#[test]
fn the_page_asked_for_is_classified_and_pages_are_counted() {
    let (scan, text) = (scan(), base64(&scan()));
    let field = "--x\r\nContent-Disposition: form-data; name=\"page\"\r\n\r\n2\r\n";
    let form = "multipart/form-data; boundary=x";
    let urlencoded = format!("page=1&image_data={}", text.replace('+', "%2B"));
    let cases: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("", "image/tiff", scan.clone(), "red"),
        ("?page=0", "image/tiff", scan.clone(), "red"),
        ("?page=1", "image/tiff", scan.clone(), "green"),
        ("?page=2", "image/tiff", scan.clone(), "blue"),
        ("", JSON, json!({ "image": text, "page": 1 }).to_string().into(), "green"),
        ("?page=1", JSON, json!({ "image": text, "page": 2 }).to_string().into(), "blue"),
        ("?page=1", JSON, json!({ "image": text, "page": null }).to_string().into(), "green"),
        ("", JSON, json!({ "image": text, "page": 2.0 }).to_string().into(), "blue"),
        ("?page=1", form, multipart(&scan, ""), "green"),
        ("?page=1", form, multipart(&scan, field), "blue"),
        ("", "application/x-www-form-urlencoded", urlencoded.into(), "green"),
    ];
    for (query, content_type, body, label) in cases {
        for path in ["/predict", "/invocations"] {
            let answer = TOY.post(&format!("{path}{query}"), content_type, body.clone()).ok();
            assert_eq!(answer["label"], label, "{path}{query} {content_type}");
            assert_eq!(answer["pages"], 3, "{path}{query} {content_type}");
            assert!(answer.get("frames").is_none());
        }
    }
}

#[test]
fn a_page_that_is_not_there_is_named() {
    let refused = |query: &str, picture: Vec<u8>| {
        let answer = TOY.post(&format!("/predict{query}"), "image/*", picture);
        answer.problem(400, "invalid_parameter")["detail"].clone()
    };
    assert_eq!(refused("?page=3", scan()), NO_SUCH_PAGE);
    let beyond = format!("?page={}", u64::MAX);
    assert!(refused(&beyond, scan()).as_str().unwrap().ends_with("expected 0 to 65534"));
    for unreadable in ["?page=-1", "?page=", "?page=1.5", "?page=last"] {
        assert_eq!(refused(unreadable, scan()), "page in the query: expected a whole number");
    }
    // Frames are no pages.
    assert_eq!(
        refused("?page=1", animation(&[RED, GREEN])),
        "page 1 does not exist; the image has 1, counted from 0"
    );
    for value in [json!(-1), json!(1.5), json!("1"), json!([1])] {
        let body = json!({ "image": base64(&scan()), "page": value });
        TOY.post_json("/predict", &body).problem(400, "invalid_parameter");
    }
}

#[test]
fn in_a_batch_each_picture_has_its_own_pages() {
    let images = [base64(&scan()), base64(&animation(&[GREEN, RED]))];
    let answer = TOY.post_json("/predict", &json!({ "images": images })).ok();
    let [tiff, gif] = [0, 1].map(|at| answer["results"][at].clone());
    assert_eq!((&tiff["label"], &tiff["pages"]), (&json!("red"), &json!(3)));
    assert_eq!((&gif["label"], &gif["frames"]), (&json!("green"), &json!(2)));
    assert!(tiff.get("frames").is_none() && gif.get("pages").is_none());
    let answer = TOY.post_json("/predict?page=2", &json!({ "images": images })).ok();
    assert_eq!(answer["results"][0]["label"], "blue");
    assert_eq!(answer["results"][1]["error"]["code"], "invalid_parameter");
}

#[test]
fn tensorflow_serving_takes_the_page_as_a_parameter() {
    let scan = json!({ "b64": base64(&scan()) });
    let gif = json!({ "b64": base64(&animation(&[GREEN, RED])) });
    let ask = |body: &Value| TOY.post_json(BATCH, body);
    let first = ask(&json!({ "instances": [scan, gif] })).ok();
    assert_eq!(first["predictions"][0]["label"], "red");
    assert_eq!(first["predictions"][0]["pages"], 3);
    assert_eq!(first["predictions"][1]["frames"], 2);
    assert!(first["predictions"][1].get("pages").is_none());
    let other = json!({ "page": 1, "confidenceThreshold": 0.5 });
    let second = ask(&json!({ "instances": [scan], "parameters": other })).ok();
    assert_eq!(second["predictions"][0]["label"], "green");
    let columns = ask(&json!({ "inputs": [scan, gif] })).ok();
    assert_eq!(columns["outputs"]["pages"], json!([3, 1]));
    assert_eq!(columns["outputs"]["frames"], json!([1, 2]));
    let columns = ask(&json!({ "inputs": [scan], "parameters": { "page": 2 } })).ok();
    assert_eq!(columns["outputs"]["label"], json!(["blue"]));
    assert!(columns["outputs"].get("frames").is_none());
    let refused = ask(&json!({ "instances": [scan], "parameters": { "page": 3 } }));
    assert_eq!(refused.error(400), NO_SUCH_PAGE);
}

#[test]
fn open_inference_takes_the_page_as_a_parameter_and_has_outputs_for_the_counts() {
    let tensor = |data: &[Vec<u8>]| {
        let data: Vec<String> = data.iter().map(|picture| base64(picture)).collect();
        json!([{ "name": "image", "shape": [data.len()], "datatype": "BYTES", "data": data }])
    };
    let all = ["label", "pages", "frames"].map(|name| json!({ "name": name }));
    let inputs = tensor(&[scan(), animation(&[GREEN, RED])]);
    let answer = TOY.post_json(INFER, &json!({ "inputs": inputs, "outputs": all })).ok();
    let output =
        |at: usize| (answer["outputs"][at]["shape"].clone(), answer["outputs"][at]["data"].clone());
    assert_eq!(output(0), (json!([2, 1]), json!(["red", "green"])));
    assert_eq!(output(1), (json!([2, 1]), json!([3, 1])));
    assert_eq!(output(2), (json!([2, 1]), json!([1, 2])));
    // Nobody who asks for no output by name gets more than before.
    let body = json!({ "inputs": tensor(&[scan()]), "parameters": { "page": 1, "top_k": 2 } });
    let usual = TOY.post_json(INFER, &body).ok();
    let names: Vec<_> = usual["outputs"].as_array().unwrap().iter().map(|o| &o["name"]).collect();
    assert_eq!(names, ["label", "index", "score"]);
    assert_eq!(usual["outputs"][0]["data"][0], "green");
    let body = json!({ "inputs": tensor(&[scan()]), "parameters": { "page": 3 } });
    assert_eq!(TOY.post_json(INFER, &body).error(400), NO_SUCH_PAGE);
    let side = toy::SIDE as usize;
    let pixels = json!([{ "name": "image", "shape": [1, side, side, 3], "datatype": "UINT8",
                          "data": vec![9; side * side * 3] }]);
    let body = json!({ "inputs": pixels, "parameters": { "page": 1 } });
    let refused = TOY.post_json(INFER, &body).error(400);
    assert_eq!(refused, "page 1 does not exist; the image has 1, counted from 0");
    let body = json!({ "inputs": pixels, "outputs": all });
    let answer = TOY.post_json(INFER, &body).ok();
    assert_eq!(answer["outputs"][1]["data"], json!([1]));
}

#[test]
fn counts_go_behind_the_json_as_other_outputs_do() {
    let inputs = json!([{ "name": "image", "shape": [1], "datatype": "BYTES",
                          "data": [base64(&scan())] }]);
    let outputs = json!([{ "name": "pages", "parameters": { "binary_data": true } }]);
    let answer = TOY.post_json(INFER, &json!({ "inputs": inputs, "outputs": outputs }));
    assert_eq!(answer.status, 200);
    let json_length: usize = answer.header("inference-header-content-length").parse().unwrap();
    assert_eq!(answer.body[json_length..], 3_u64.to_le_bytes());
}
