//! What NVIDIA's `perf_analyzer` and other Triton tools ask beside the Open Inference Protocol.

use http::Method;
use serde_json::{Value, json};

use crate::common::answer::Answer;
use crate::common::api::{API, Api, cat, expected, model, request};
use crate::common::encode::base64;
use crate::common::toy;

fn names() -> (String, String) {
    let model = model();
    (model.manifest().name.clone(), model.manifest().version.clone())
}

#[test]
fn the_configuration_fits_the_metadata() {
    let (name, version) = names();
    for path in [format!("/v2/models/{name}"), format!("/v2/models/{name}/versions/{version}")] {
        let (config, metadata) = (API.get(&format!("{path}/config")).ok(), API.get(&path).ok());
        assert_eq!(config["name"], name);
        assert_eq!(config["max_batch_size"], 16);
        assert_eq!(config["input"][0]["data_type"], "TYPE_STRING");
        let of = |tensors: &Value| -> Vec<Value> {
            tensors.as_array().unwrap().iter().map(|tensor| tensor["name"].clone()).collect()
        };
        assert_eq!(of(&config["output"]), of(&metadata["outputs"]));
    }
    API.get("/v2/models/none/config").error(404);
    API.get(&format!("/v2/models/{name}/versions/none/config")).error(404);
}

#[test]
fn the_index_lists_the_one_model_as_ready() {
    let (name, version) = names();
    let entry = json!([{ "name": name, "version": version, "state": "READY", "reason": "" }]);
    assert_eq!(API.post("/v2/repository/index", "application/json", "{}").ok(), entry);
    assert_eq!(
        API.send(request(Method::POST, "/v2/repository/index", None, Vec::new())).ok(),
        entry
    );
}

#[test]
fn statistics_count_pictures_and_failures() {
    let folder = toy::bundle(toy::Graph::MeanColour);
    let api = Api::folder(folder.path());
    let before = api.get("/v2/models/toy/stats").ok();
    assert_eq!(before["model_stats"][0]["inference_count"], 0);
    let infer = |picture: &[u8]| {
        let input = json!({ "name": "image", "shape": [1], "datatype": "BYTES", "data": [base64(picture)] });
        api.post_json("/v2/models/toy/infer", &json!({ "inputs": [input] }))
    };
    infer(&cat()).ok();
    infer(&cat()).ok();
    infer(b"text").error(415);
    for path in ["/v2/models/toy/stats", "/v2/models/toy/versions/1/stats", "/v2/models/stats"] {
        let stats = api.get(path).ok()["model_stats"][0].clone();
        assert_eq!((&stats["name"], &stats["version"]), (&json!("toy"), &json!("1")));
        assert_eq!((&stats["inference_count"], &stats["execution_count"]), (&json!(2), &json!(2)));
        let counted = &stats["inference_stats"];
        assert_eq!(
            (&counted["success"]["count"], &counted["fail"]["count"]),
            (&json!(2), &json!(1))
        );
        let ns = |stage: &str| counted[stage]["ns"].as_u64().unwrap();
        assert!(ns("compute_infer") > 0);
        assert_eq!(ns("success"), ns("compute_input") + ns("compute_infer"));
        assert!(stats["last_inference"].as_u64().unwrap() > 1_700_000_000_000);
    }
}

/// `perf_analyzer -i http` with a batch of two: binary tensors, `[N, 1]`, and binary outputs.
fn perf_analyzer(header: &Value, tensor: &[u8]) -> Answer {
    let json = header.to_string();
    let path = format!("/v2/models/{}/infer", names().0);
    let body = [json.as_bytes(), tensor].concat();
    let mut request = request(Method::POST, &path, Some("application/octet-stream"), body);
    let length = json.len().to_string().parse().unwrap();
    request.headers_mut().insert("inference-header-content-length", length);
    API.send(request)
}

#[test]
fn perf_analyzers_requests_are_answered() {
    let cat = cat();
    let length = u32::try_from(cat.len()).unwrap().to_le_bytes();
    let tensor = [&length[..], &cat, &length[..], &cat].concat();
    for path in ["/v2", "/v2/health/ready", "/v2/models/stats"] {
        assert_eq!(API.get(path).status, 200, "{path}");
    }
    for shape in [json!([2]), json!([2, 1])] {
        let header = json!({
            "id": "0", "parameters": { "sequence_id": 0 },
            "inputs": [{ "name": "image", "shape": shape, "datatype": "BYTES",
                         "parameters": { "binary_data_size": tensor.len() } }],
            "outputs": [{ "name": "label", "parameters": { "binary_data": true } },
                        { "name": "index", "parameters": { "binary_data": true } }],
        });
        let answer = perf_analyzer(&header, &tensor);
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let json_length: usize = answer.header("inference-header-content-length").parse().unwrap();
        let index = expected(&cat, 1)["index"].as_u64().unwrap().to_le_bytes();
        assert!(answer.body[json_length..].ends_with(&[index, index].concat()), "{shape}");
    }
    for wrong in [json!([2, 2]), json!([2, 1, 1]), json!([])] {
        let input =
            json!({ "name": "image", "shape": wrong, "datatype": "BYTES", "data": [base64(&cat)] });
        let path = format!("/v2/models/{}/infer", names().0);
        API.post_json(&path, &json!({ "inputs": [input] })).error(400);
    }
}

#[test]
fn a_name_and_a_version_may_have_colons() {
    let folder = toy::bundle_with(toy::Graph::MeanColour, |description| {
        description["name"] = json!("resnet:v2");
        description["version"] = json!("1:a");
    });
    let api = Api::folder(folder.path());
    let instances = json!({ "instances": [{ "b64": base64(&cat()) }] });
    for path in ["/v1/models/resnet:v2", "/v1/models/resnet%3Av2/versions/1:a"] {
        assert_eq!(api.get(path).ok()["model_version_status"][0]["version"], "1:a", "{path}");
        let answer = api.post_json(&format!("{path}:predict"), &instances).ok();
        assert_eq!(answer["predictions"].as_array().map(Vec::len), Some(1), "{path}");
        api.get(&format!("{path}:explain")).error(404);
    }
    assert_eq!(api.get("/v1/models/resnet:v2/metadata").ok()["model_spec"]["name"], "resnet:v2");
    api.get("/v1/models/resnet").error(404);
}
