//! `POST /v1/models/{name}:predict` as TensorFlow Serving's clients use it.

use serde_json::{Value, json};

use crate::common::answer::Answer;
use crate::common::api::{API, cat, expected, model};
use crate::common::encode::base64;

fn predict(body: &Value) -> Answer {
    API.post_json(&format!("/v1/models/{}:predict", model().manifest().name), body)
}

#[test]
fn each_instance_gets_its_prediction_in_order() {
    let (cat, other) = (cat(), crate::common::encode::textured(70, 50));
    let other = crate::common::encode::encode(&other, image::ImageFormat::Png);
    let pictures = [cat.clone(), other, cat];
    let instances: Vec<Value> = pictures.iter().map(|p| json!({ "b64": base64(p) })).collect();
    let answer = predict(&json!({ "instances": instances, "signature_name": "ignored" })).ok();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), pictures.len());
    for (prediction, picture) in predictions.iter().zip(&pictures) {
        let expected = expected(picture, 5);
        for member in ["label", "index", "score", "predictions"] {
            assert_eq!(prediction[member], expected[member]);
        }
    }
}

#[test]
fn every_mistake_has_its_error() {
    let good = json!({ "b64": base64(&cat()) });
    let cases = [
        (json!({ "instances": [] }), 400, "missing_image"),
        (json!({ "instances": [good, { "b64": "" }] }), 400, "missing_image"),
        (json!({ "instances": [good, { "b64": "*" }] }), 400, "invalid_base64"),
        (json!({ "instances": [base64(&cat())] }), 400, "invalid_parameter"),
        (json!({ "inputs": [good] }), 400, "invalid_parameter"),
        (json!({ "instances": vec![good.clone(); 17] }), 413, "batch_too_large"),
        (
            json!({ "instances": [good, { "b64": base64(b"text") }] }),
            415,
            "unsupported_image_format",
        ),
        (json!({ "instances": [{ "b64": base64(&cat()[..200]) }] }), 422, "corrupt_image"),
    ];
    for (body, status, code) in cases {
        predict(&body).problem(status, code);
    }
    let body = json!({ "instances": [good] });
    API.post_json("/v1/models/other:predict", &body).problem(404, "not_found");
}
