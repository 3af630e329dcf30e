//! The binary tensor data extension of the Open Inference Protocol, and what hostile clients send.

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::answer::Answer;
use crate::common::api::{API, cat, expected, model, request};

/// Send JSON with tensors behind it.
fn infer(json: &Value, behind: &[u8]) -> Answer {
    let json = json.to_string();
    let length = json.len().to_string();
    send(&[json.as_bytes(), behind].concat(), &length)
}

fn send(body: &[u8], header_length: &str) -> Answer {
    let path = format!("/v2/models/{}/infer", model().manifest().name);
    let octets = Some("application/octet-stream");
    let mut request = request(Method::POST, &path, octets, body.to_vec());
    let value = http::HeaderValue::from_bytes(header_length.as_bytes()).unwrap();
    request.headers_mut().insert("inference-header-content-length", value);
    API.send(request)
}

/// Elements of a BYTES tensor.
fn elements(pictures: &[&[u8]]) -> Vec<u8> {
    let element =
        |picture: &&[u8]| [&u32::try_from(picture.len()).unwrap().to_le_bytes(), *picture].concat();
    pictures.iter().flat_map(element).collect()
}

fn input(datatype: &str, shape: &Value, size: &Value) -> Value {
    json!({ "name": "image", "datatype": datatype, "shape": shape,
            "parameters": { "binary_data_size": size } })
}

/// A request for two pictures, and their bytes.
fn two() -> (Value, Vec<u8>) {
    let cat = cat();
    let tensor = elements(&[&cat, &cat]);
    let input = input("BYTES", &json!([2]), &json!(tensor.len()));
    (json!({ "inputs": [input], "parameters": { "top_k": 2 } }), tensor)
}

#[test]
fn pictures_behind_the_json_are_classified_in_order() {
    let (json, tensor) = two();
    let answer = infer(&json, &tensor).ok();
    let expected = expected(&cat(), 2);
    for (position, member) in ["label", "index", "score"].into_iter().enumerate() {
        let column = |k: usize| expected["predictions"][k][member].clone();
        let data = json!([column(0), column(1), column(0), column(1)]);
        assert_eq!(answer["outputs"][position]["data"], data);
    }
}

#[test]
fn pixels_behind_the_json_are_classified() {
    let spec = model().manifest().input;
    let cat = cat();
    let picture = glimpse_classifier::decode(&cat, &glimpse_classifier::Limits::default()).unwrap();
    let pixels = glimpse_classifier::fit(&picture, &spec);
    let tensor = input("UINT8", &json!([1, spec.height, spec.width, 3]), &json!(pixels.len()));
    let answer = infer(&json!({ "inputs": [tensor] }), &pixels).ok();
    assert_eq!(answer["outputs"][0]["data"], json!([expected(&cat, 1)["label"]]));
}

#[test]
fn a_body_without_json_is_one_picture() {
    let cat = cat();
    let answer = send(&cat, "0").ok();
    assert_eq!(answer["outputs"][0]["data"], json!([expected(&cat, 1)["label"]]));
    send(b"", "0").error(400);
}

#[test]
fn outputs_go_behind_the_json_where_that_is_asked_for() {
    let (mut json, tensor) = two();
    json["parameters"]["binary_data_output"] = json!(true);
    let all = infer(&json, &tensor);
    let (outputs, behind) = binary(&all);
    let expected = expected(&cat(), 2);
    let predictions = expected["predictions"].as_array().unwrap();
    let rows = || predictions.iter().chain(predictions);
    let labels: Vec<&[u8]> = rows().map(|p| p["label"].as_str().unwrap().as_bytes()).collect();
    let indices = rows().flat_map(|p| p["index"].as_u64().unwrap().to_le_bytes());
    #[allow(clippy::cast_possible_truncation)] // Written from 32 bits.
    let scores = rows().flat_map(|p| (p["score"].as_f64().unwrap() as f32).to_le_bytes());
    let tensors = [elements(&labels), indices.collect(), scores.collect()];
    assert_eq!(behind, tensors.concat());
    for (output, tensor) in outputs.as_array().unwrap().iter().zip(&tensors) {
        assert_eq!(output["parameters"], json!({ "binary_data_size": tensor.len() }));
        assert_eq!((output.get("data"), &output["shape"]), (None, &json!([2, 2])));
    }

    json["outputs"] =
        json!([{ "name": "score" }, { "name": "label", "parameters": { "binary_data": false } }]);
    let mixed = infer(&json, &tensor);
    let (outputs, behind) = binary(&mixed);
    assert_eq!(behind, tensors[2]);
    assert_eq!(outputs[1]["data"][0], predictions[0]["label"]);

    json["parameters"] = json!({ "binary_data_output": false, "top_k": 1 });
    json["outputs"] = json!([{ "name": "label", "parameters": { "binary_data": true } }]);
    let one = infer(&json, &tensor);
    assert_eq!(binary(&one).1, elements(&[labels[0], labels[0]]));
}

/// The outputs in the JSON, and what follows it.
fn binary(answer: &Answer) -> (Value, &[u8]) {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let length: usize = answer.header("inference-header-content-length").parse().unwrap();
    let (json, behind) = answer.body.split_at(length);
    let json: Value = serde_json::from_slice(json).unwrap();
    (json["outputs"].clone(), behind)
}

#[test]
fn sizes_that_do_not_add_up_are_refused() {
    let cat = cat();
    let tensor = elements(&[&cat]);
    let length = tensor.len();
    let spec = model().manifest().input;
    let pixels = json!([1, spec.height, spec.width, 3]);
    let bytes = |size: Value| input("BYTES", &json!([1]), &size);
    let short_prefix = [&tensor[..], &[1, 0]].concat();
    let giant = [&u32::MAX.to_le_bytes()[..], &cat[..]].concat();
    let mut with_data = bytes(json!(length));
    with_data["data"] = json!(["AAAA"]);
    let mut bare = bytes(json!(length));
    bare.as_object_mut().unwrap().remove("parameters");
    let mut shared = bare.clone();
    shared["parameters"] = json!({ "shared_memory_region": "pictures" });
    let cases: Vec<(Value, &[u8], u16, &str)> = vec![
        (bytes(json!(length + 1)), &tensor, 400, "binary_data_size"),
        (bytes(json!(length - 1)), &tensor, 400, "belong to no tensor"),
        (bytes(json!(0)), &tensor, 400, "belong to no tensor"),
        (bytes(json!(u64::MAX)), &tensor, 400, "binary_data_size"),
        (bytes(json!(-1)), &tensor, 400, "-1"),
        (bytes(json!(1.5)), &tensor, 400, "1.5"),
        (bytes(json!("1")), &tensor, 400, "string"),
        (bytes(json!(0)), b"", 400, "0 elements"),
        (bytes(json!(length + 2)), &short_prefix, 400, "within the length"),
        (bytes(json!(cat.len() + 4)), &giant, 400, "announces 4294967295 bytes"),
        (bytes(json!(4)), &[0; 4], 400, "no image"),
        (input("BYTES", &json!([2]), &json!(length)), &tensor, 400, "1 elements"),
        (input("BYTES", &json!([0]), &json!(length)), &tensor, 400, "no image"),
        (input("BYTES", &json!([]), &json!(length)), &tensor, 400, "no image"),
        (input("BYTES", &json!([1, 2]), &json!(length)), &tensor, 400, "shape"),
        (input("BYTES", &json!([u64::MAX]), &json!(length)), &tensor, 413, "the limit is 16"),
        (input("UINT8", &pixels, &json!(length)), &tensor, 400, "shape needs"),
        (input("UINT8", &json!([1, u64::MAX, u64::MAX, 3]), &json!(length)), &tensor, 400, "shape"),
        (with_data, &tensor, 400, "binary_data_size"),
        (bare, &tensor, 400, "binary_data_size"),
        (shared, &tensor, 400, "shared memory"),
        (bytes(json!(length)), &tensor, 200, ""),
    ];
    for (input, behind, status, part) in cases {
        let answer = infer(&json!({ "inputs": [input] }), behind);
        if status == 200 {
            answer.ok();
            continue;
        }
        let message = answer.error(status);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_invalid_length_of_the_json_is_refused() {
    let (json, tensor) = two();
    let body = [json.to_string().as_bytes(), &tensor].concat();
    let beyond = (body.len() + 1).to_string();
    for length in ["", "-1", "1.0", "many", "99999999999999999999999999", &beyond] {
        let message = send(&body, length).error(400);
        assert!(message.contains("Inference-Header-Content-Length"), "{message}");
    }
}

#[test]
fn a_body_that_is_not_compressed_as_it_says_is_refused() {
    let path = format!("/v2/models/{}/infer", model().manifest().name);
    let mut request = request(Method::POST, &path, Some("application/json"), vec![0x1f, 0x8b]);
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert!(API.send(request).error(400).contains("content encoding"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is changed in a good request, the answer is a prediction or says whose fault it is.
    #[test]
    fn no_body_is_the_servers_fault(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        length in prop_oneof![3 => Just(None), 1 => any::<u16>().prop_map(Some)],
        truncate: bool,
    ) {
        let json = json!({ "id": "1", "inputs": [input("BYTES", &json!([2]), &json!(18))],
                           "outputs": [{ "name": "label", "parameters": { "binary_data": true } }] });
        let json = json.to_string();
        // Nearly pictures: whether a decoder takes them is another test's question.
        let mut body = [json.as_bytes(), &elements(&[b"GIF89", b"\xff\xd8\xff\xe0\0"])].concat();
        for (index, value) in changes {
            *index.get_mut(&mut body) = value;
        }
        if truncate {
            body.truncate(cut.index(body.len()));
        }
        let length = length.map_or(json.len(), usize::from);
        let answer = send(&body, &length.to_string());
        prop_assert!(answer.status < 500, "{}", String::from_utf8_lossy(&answer.body));
        if answer.status != 200 {
            answer.error(answer.status);
        }
    }
}
