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
    assert_eq!(server["extensions"], json!(["binary_tensor_data"]));
    let model = model();
    let manifest = model.manifest();
    let (name, version) = (&manifest.name, &manifest.version);
    for path in [format!("/v2/models/{name}"), format!("/v2/models/{name}/versions/{version}")] {
        let metadata = API.get(&path).ok();
        assert_eq!(metadata["name"], json!(name));
        assert_eq!(metadata["versions"], json!([version]));
        for tensor in ["inputs", "outputs"] {
            for tensor in metadata[tensor].as_array().unwrap() {
                assert!(tensor["name"].is_string() && tensor["datatype"].is_string());
                assert!(tensor["shape"].as_array().unwrap().iter().all(Value::is_i64));
            }
        }
        let ready = API.get(&format!("{path}/ready")).ok();
        assert_eq!(ready, json!({ "name": name, "ready": true }));
    }
    for path in ["/v2/models/other".to_owned(), format!("/v2/models/{name}/versions/0")] {
        for path in [format!("{path}/ready"), path] {
            let message = API.get(&path).error(404);
            assert!(
                message.contains(&format!("this server has {name}, version {version}")),
                "{message}"
            );
        }
    }
}

#[test]
fn it_is_alive_at_once_and_ready_once_the_model_is_loaded() {
    let api = Api::folder(&glimpse_tests::workspace::default_bundle());
    assert_eq!(api.get("/v2/health/live").ok()["live"], true);
    let early = api.get("/v2/health/ready");
    assert_eq!((early.status, early.json()["ready"].clone()), (503, json!(false)));
    assert!(!early.header("retry-after").is_empty());
    let model = format!("/v2/models/{}/ready", model().manifest().name);
    let early = api.get(&model);
    assert!(
        early.status == 200 || (early.status, early.json()["ready"].clone()) == (503, json!(false))
    );
    // Asking has started the load.
    while api.get("/v2/health/ready").status == 503 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(api.get("/v2/health/ready").ok()["ready"], true);
    assert_eq!(api.get(&model).ok()["ready"], true);
}

#[test]
fn encoded_pictures_are_classified_in_order() {
    let (cat, text) = (cat(), base64(&cat()));
    let request = json!({ "id": "42", "inputs": [bytes(&[text.clone(), text])],
                          "parameters": { "top_k": 2, "other": true } });
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
fn the_outputs_that_are_asked_for_are_given_in_that_order() {
    let picture = bytes(&[base64(&cat())]);
    let names = |request: &Value| -> Vec<String> {
        let answer = infer(request).ok();
        let outputs = answer["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["name"].as_str().unwrap().to_owned()).collect()
    };
    let asked =
        json!({ "inputs": [picture], "outputs": [{ "name": "score" }, { "name": "label" }] });
    assert_eq!(names(&asked), ["score", "label"]);
    assert_eq!(names(&json!({ "inputs": [picture], "outputs": [] })), ["label", "index", "score"]);
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
    let outputs = |outputs: Value| json!({ "inputs": [bytes(std::slice::from_ref(&text))], "outputs": outputs });
    let parameter = (400, "");
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
        (outputs(json!([{ "name": "logits" }])), (400, "outputs")),
        (outputs(json!([{ "name": "label" }, { "name": "label" }])), (400, "outputs")),
        (outputs(json!(vec![json!({ "name": "label" }); 2000])), (400, "outputs")),
        (
            outputs(json!([{ "name": "label", "parameters": { "classification": 2 } }])),
            (400, "top_k"),
        ),
        (
            outputs(json!([{ "name": "label", "parameters": { "shared_memory_region": "a" } }])),
            (400, "shared memory"),
        ),
        (tensor("image", json!([0]), "BYTES", json!([])), (400, "no image")),
        (tensor("image", json!([1]), "BYTES", json!([""])), (400, "no image")),
        (tensor("image", json!([1]), "BYTES", json!(["*"])), (400, "base64")),
        (
            tensor("image", json!([17]), "BYTES", json!(vec![text.clone(); 17])),
            (413, "the limit is 16"),
        ),
        (tensor("image", json!([u64::MAX]), "BYTES", json!([text])), (413, "the limit is 16")),
        (tensor("image", json!([1]), "BYTES", json!([base64(b"x")])), (415, "not recognised")),
        (tensor("image", json!([1]), "BYTES", json!([base64(&cat()[..200])])), (422, "JPEG")),
    ];
    for (body, (status, part)) in cases {
        let message = infer(&body).error(status);
        assert!(message.contains(part), "{message}");
    }
    for path in [
        "/v2/models/other/infer".to_owned(),
        format!("/v2/models/{}/versions/0/infer", model().manifest().name),
    ] {
        API.post_json(&path, &json!({})).error(404);
    }
}
