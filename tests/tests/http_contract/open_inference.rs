//! The Open Inference Protocol v2 as its clients use it.

use serde_json::{Value, json};

use crate::common::answer::Answer;
use crate::common::api::{API, Api, cat, expected, model};
use crate::common::encode::base64;

fn infer(body: &Value) -> Answer {
    API.post_json(&format!("/v2/models/{}/infer", model().manifest().name), body)
}

fn bytes(pictures: &[String]) -> Value {
    json!({ "name": "image", "shape": [pictures.len()], "datatype": "BYTES", "data": pictures })
}

/// The data of the output `name`.
fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().unwrap();
    &outputs.iter().find(|output| output["name"] == name).unwrap()["data"]
}

#[test]
fn server_and_model_describe_themselves() {
    let server = API.get("/v2").ok();
    assert_eq!(
        (&server["name"], &server["version"]),
        (&json!("glimpse"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert!(server["extensions"].is_array());
    let model = model();
    let manifest = model.manifest();
    let metadata = API.get(&format!("/v2/models/{}", manifest.name)).ok();
    assert_eq!(metadata["name"], json!(manifest.name));
    assert_eq!(metadata["versions"], json!([manifest.version]));
    for tensor in ["inputs", "outputs"] {
        for tensor in metadata[tensor].as_array().unwrap() {
            assert!(tensor["name"].is_string() && tensor["datatype"].is_string());
            assert!(tensor["shape"].as_array().unwrap().iter().all(Value::is_i64));
        }
    }
    API.get("/v2/models/other").problem(404, "not_found");
}

#[test]
fn it_is_alive_at_once_and_ready_once_the_model_is_loaded() {
    let api = Api::folder(&glimpse_tests::workspace::default_bundle());
    assert_eq!(api.get("/v2/health/live").ok()["live"], true);
    let early = api.get("/v2/health/ready");
    assert_eq!((early.status, early.json()["ready"].clone()), (503, json!(false)));
    assert!(!early.header("retry-after").is_empty());
    // Asking has started the load.
    while api.get("/v2/health/ready").status == 503 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(api.get("/v2/health/ready").ok()["ready"], true);
}

#[test]
fn encoded_pictures_are_classified_in_order() {
    let (cat, text) = (cat(), base64(&cat()));
    let request = json!({ "id": "42", "inputs": [bytes(&[text.clone(), text])],
                          "parameters": { "top_k": 2, "other": true }, "outputs": [{ "name": "label" }] });
    let answer = infer(&request).ok();
    assert_eq!(answer["id"], "42");
    assert_eq!(answer["model_name"], json!(model().manifest().name));
    let expected = expected(&cat, 2);
    for (name, member, datatype) in
        [("label", "label", "BYTES"), ("index", "index", "INT64"), ("score", "score", "FP32")]
    {
        let column = |k: usize| expected["predictions"][k][member].clone();
        let data = json!([column(0), column(1), column(0), column(1)]);
        assert_eq!(*output(&answer, name), data);
        let outputs = answer["outputs"].as_array().unwrap();
        let tensor = outputs.iter().find(|output| output["name"] == name).unwrap();
        assert_eq!((&tensor["shape"], &tensor["datatype"]), (&json!([2, 2]), &json!(datatype)));
    }
}

#[test]
fn pixels_flat_or_nested_are_classified_like_the_picture_they_came_from() {
    let input = model().manifest().input;
    let cat = cat();
    let picture = glimpse_classifier::decode(&cat, &glimpse_classifier::Limits::default()).unwrap();
    let pixels = glimpse_classifier::fit(&picture, &input);
    let shape = json!([1, input.height, input.width, 3]);
    let rows: Vec<Vec<&[u8]>> =
        pixels.chunks(input.width as usize * 3).map(|row| row.chunks(3).collect()).collect();
    let label = expected(&cat, 1)["label"].clone();
    for data in [json!(pixels), json!([rows])] {
        let tensor = json!({ "name": "image", "shape": shape, "datatype": "UINT8", "data": data });
        let answer = infer(&json!({ "inputs": [tensor] })).ok();
        assert_eq!(*output(&answer, "label"), json!([label]));
        assert!(answer.get("id").is_none());
    }
}

#[test]
fn every_mistake_has_its_error() {
    let text = base64(&cat());
    let tensor = |name: &str, shape: Value, datatype: &str, data: Value| json!({ "inputs": [{ "name": name, "shape": shape, "datatype": datatype, "data": data }] });
    let input = model().manifest().input;
    let (height, width) = (input.height, input.width);
    let parameter = (400, "invalid_parameter");
    let one = bytes(std::slice::from_ref(&text));
    let cases = [
        (json!({}), parameter),
        (json!({ "inputs": [] }), parameter),
        (json!({ "inputs": [one.clone(), one.clone()] }), parameter),
        (json!({ "inputs": [one.clone()], "parameters": { "top_k": 0 } }), parameter),
        (json!({ "inputs": [one.clone()], "parameters": { "top_k": -1 } }), parameter),
        (json!({ "inputs": [one.clone()], "parameters": { "top_k": 100_000 } }), parameter),
        (tensor("picture", json!([1]), "BYTES", json!([text])), parameter),
        (tensor("image", json!([2]), "BYTES", json!([text])), parameter),
        (tensor("image", json!([1]), "BYTES", json!([5])), parameter),
        (tensor("image", json!([1]), "BYTES", json!(text)), parameter),
        (tensor("image", json!([-1]), "BYTES", json!([text])), parameter),
        (tensor("image", json!([1]), "FP32", json!([0.5])), parameter),
        (tensor("image", json!([1, height, width, 3]), "UINT8", json!([1, 2, 3])), parameter),
        (tensor("image", json!([1, height, width, 3]), "UINT8", json!([256])), parameter),
        (tensor("image", json!([1, height, width, 3]), "UINT8", json!("x")), parameter),
        (tensor("image", json!([1, 3, height, width]), "UINT8", json!([])), parameter),
        (tensor("image", json!([1, u64::MAX, u64::MAX, 3]), "UINT8", json!([])), parameter),
        (tensor("image", json!([0]), "BYTES", json!([])), (400, "missing_image")),
        (tensor("image", json!([1]), "BYTES", json!([""])), (400, "missing_image")),
        (tensor("image", json!([1]), "BYTES", json!(["*"])), (400, "invalid_base64")),
        (
            tensor("image", json!([17]), "BYTES", json!(vec![text.clone(); 17])),
            (413, "batch_too_large"),
        ),
        (tensor("image", json!([u64::MAX]), "BYTES", json!([text])), (413, "batch_too_large")),
        (
            tensor("image", json!([1]), "BYTES", json!([base64(b"x")])),
            (415, "unsupported_image_format"),
        ),
        (
            tensor("image", json!([1]), "BYTES", json!([base64(&cat()[..200])])),
            (422, "corrupt_image"),
        ),
    ];
    for (body, (status, code)) in cases {
        infer(&body).problem(status, code);
    }
    API.post_json("/v2/models/other/infer", &json!({})).problem(404, "not_found");
}
