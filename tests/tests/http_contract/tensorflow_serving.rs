//! TensorFlow Serving's REST API as its clients use it.

use serde_json::{Value, json};

use crate::common::answer::Answer;
use crate::common::api::{API, cat, expected, model};
use crate::common::encode::{base64, encode, textured};

fn path(rest: &str) -> String {
    let model = model();
    format!("/v1/models/{}{rest}", model.manifest().name)
}

fn version(rest: &str) -> String {
    path(&format!("/versions/{}{rest}", model().manifest().version))
}

fn predict(body: &Value) -> Answer {
    API.post_json(&path(":predict"), body)
}

fn pictures() -> [Vec<u8>; 3] {
    let other = encode(&textured(70, 50), image::ImageFormat::Png);
    [cat(), other, cat()]
}

#[test]
fn each_instance_gets_its_prediction_in_order() {
    let pictures = pictures();
    let forms: [fn(Value) -> Value; 3] =
        [|b64| b64, |b64| json!({ "image": b64 }), |b64| json!({ "image_bytes": b64 })];
    for form in forms {
        let instances: Vec<Value> =
            pictures.iter().map(|picture| form(json!({ "b64": base64(picture) }))).collect();
        let body = json!({ "instances": instances, "signature_name": "serving_default" });
        for path in [path(":predict"), version(":predict")] {
            let answer = API.post_json(&path, &body).ok();
            let predictions = answer["predictions"].as_array().unwrap();
            assert_eq!(predictions.len(), pictures.len());
            for (prediction, picture) in predictions.iter().zip(&pictures) {
                let expected = expected(picture, 5);
                for member in ["label", "index", "score", "predictions"] {
                    assert_eq!(prediction[member], expected[member]);
                }
            }
        }
    }
}

#[test]
fn a_column_of_pictures_gets_a_column_for_each_output() {
    let pictures = pictures();
    let column: Vec<Value> = pictures.iter().map(|p| json!({ "b64": base64(p) })).collect();
    for inputs in [json!(column), json!({ "image": column })] {
        let answer = predict(&json!({ "inputs": inputs })).ok();
        for member in ["label", "index", "score", "predictions"] {
            let expected: Vec<Value> =
                pictures.iter().map(|picture| expected(picture, 5)[member].clone()).collect();
            assert_eq!(answer["outputs"][member], json!(expected));
        }
    }
}

#[test]
fn status_and_metadata_describe_the_one_version() {
    let model = model();
    let manifest = model.manifest();
    for path in [path(""), version("")] {
        let expected = json!({ "model_version_status": [{
            "version": manifest.version, "state": "AVAILABLE",
            "status": { "error_code": "OK", "error_message": "" } }] });
        assert_eq!(API.get(&path).ok(), expected);
    }
    for path in [path("/metadata"), version("/metadata")] {
        let answer = API.get(&path).ok();
        assert_eq!(answer["model_spec"]["name"], json!(manifest.name));
        assert_eq!(answer["model_spec"]["version"], json!(manifest.version));
        let signature = &answer["metadata"]["signature_def"]["signature_def"]["serving_default"];
        assert_eq!(signature["inputs"]["image"]["dtype"], "DT_STRING");
        assert_eq!(signature["outputs"]["score"]["dtype"], "DT_FLOAT");
        assert_eq!(signature["method_name"], "tensorflow/serving/predict");
    }
}

#[test]
fn another_model_or_version_is_not_found_and_the_error_says_what_there_is() {
    let body = json!({ "instances": [{ "b64": base64(&cat()) }] });
    let model = model();
    let manifest = model.manifest();
    for answer in [
        API.post_json("/v1/models/other:predict", &body),
        API.post_json(&path("/versions/0:predict"), &body),
        API.get("/v1/models/other"),
        API.get(&path("/versions/0")),
        API.get("/v1/models/other/metadata"),
        API.get(&path("/versions/0/metadata")),
    ] {
        let message = answer.error(404);
        let there = format!("this server has {}, version {}", manifest.name, manifest.version);
        assert!(message.contains(&there), "{message}");
    }
}

#[test]
fn every_mistake_has_its_error() {
    let good = json!({ "b64": base64(&cat()) });
    let cases = [
        (json!({ "instances": [] }), 400, "no image"),
        (json!({ "inputs": [] }), 400, "no image"),
        (json!({ "instances": [good, { "b64": "" }] }), 400, "no image"),
        (json!({ "instances": [good, { "b64": "*" }] }), 400, "base64"),
        (json!({ "instances": [base64(&cat())] }), 400, "invalid type: string"),
        (json!({ "instances": [good], "inputs": [good] }), 400, "instances"),
        (json!({ "inputs": { "mask": [good] } }), 400, "image"),
        (json!({ "instances": [good], "signature_name": 5 }), 400, "string"),
        (json!({}), 400, "instances"),
        (json!({ "instances": vec![good.clone(); 17] }), 413, "17 images; the limit is 16"),
        (json!({ "inputs": { "image": vec![good.clone(); 17] } }), 413, "17 images"),
        (json!({ "instances": [good, { "b64": base64(b"text") }] }), 415, "not recognised"),
        (json!({ "instances": [{ "b64": base64(&cat()[..200]) }] }), 422, "JPEG"),
    ];
    for (body, status, part) in cases {
        let message = predict(&body).error(status);
        assert!(message.contains(part), "{message}");
    }
    API.post(&path(":predict"), "application/json", "{").error(400);
}
