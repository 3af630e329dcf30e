//! A model with several labels per picture, in every protocol.

use std::sync::LazyLock;

use image::ImageFormat;
use serde_json::{Value, json};

use crate::common::api::{API, Api, model};
use crate::common::encode::{base64, encode, plain};
use crate::common::toy::{self, Graph, SIDE};

static TOY: LazyLock<Api> = LazyLock::new(|| Api::folder(toy::several_labels().keep().as_path()));

/// Red and green reach their thresholds; blue is the best and does not reach its own.
const TWO: [u8; 3] = [200, 100, 201];
const ONE: [u8; 3] = [50, 0, 210];
const NONE: [u8; 3] = [0, 0, 0];

fn picture(colour: [u8; 3]) -> Vec<u8> {
    encode(&plain(SIDE, SIDE, colour), ImageFormat::Png)
}

fn predict(colour: [u8; 3], query: &str) -> Value {
    TOY.post(&format!("/predict{query}"), "image/png", picture(colour)).ok()
}

/// The logits of the toy.
fn logits(colour: [u8; 3]) -> [f64; 3] {
    let mut logits = colour.map(f64::from);
    for (logit, more) in logits.iter_mut().zip([1.0, 2.0, 3.0]) {
        *logit += more;
    }
    logits
}

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
}

fn names(labels: &Value) -> Vec<&str> {
    labels.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect()
}

#[test]
fn a_picture_has_every_label_whose_score_reaches_its_threshold() {
    for (colour, expected) in [(TWO, &["red", "green"][..]), (ONE, &["red"]), (NONE, &[])] {
        for query in ["", "?top_k=1&min_score=1", "?abstain_below=1"] {
            assert_eq!(names(&predict(colour, query)["labels"]), expected, "{query}");
        }
        let answer = predict(colour, "");
        assert_eq!(names(&answer["predictions"])[0], "blue", "the best, which has no say");
        assert_eq!((&answer["label"], &answer["index"]), (&json!("blue"), &json!(2)));
        assert_eq!(answer["score"], answer["predictions"][0]["score"]);
    }
}

#[test]
fn scores_are_the_sigmoids_of_the_logits_over_the_temperature() {
    let answer = predict(TWO, "");
    let scores = logits(TWO).map(|logit| 1.0 / (1.0 + (-logit / 100.0).exp()));
    for ranked in answer["predictions"].as_array().unwrap() {
        let class = usize::try_from(ranked["index"].as_u64().unwrap()).unwrap();
        close(&ranked["score"], scores[class]);
    }
    close(&answer["labels"][0]["score"], scores[0]);
    let energy: f64 = logits(TWO).map(|logit| -logit.exp().ln_1p()).iter().sum();
    let found = predict(TWO, "?ood=true")["energy"].as_f64().unwrap();
    assert!((found - energy).abs() < 1e-3, "{found} is not the joint energy {energy}");
}

#[test]
fn a_batch_and_sagemaker_give_them_too() {
    let body = json!({ "images": [base64(&picture(TWO)), "bm8=", base64(&picture(NONE))] });
    for path in ["/predict", "/invocations"] {
        let results = TOY.post_json(path, &body).ok()["results"].clone();
        assert_eq!(names(&results[0]["labels"]), ["red", "green"]);
        assert!(results[1]["labels"].is_null() && results[1]["error"].is_object());
        assert_eq!(results[2]["labels"], json!([]));
    }
}

#[test]
fn the_map_is_of_the_best_label_or_of_one_that_is_named() {
    let answer = predict(TWO, "?explain=true");
    assert_eq!(answer["explanation"]["label"], "blue");
    close(&answer["explanation"]["logit"], logits(TWO)[2]);
    let named = predict(TWO, "?explain_label=green&explain_label=red");
    assert_eq!(names(&named["explanations"]), ["green", "red"]);
}

#[test]
fn tensorflow_serving_gives_a_list_per_picture() {
    let column = [TWO, NONE].map(|colour| json!({ "b64": base64(&picture(colour)) }));
    let rows = TOY.post_json("/v1/models/toy:predict", &json!({ "instances": column })).ok();
    assert_eq!(names(&rows["predictions"][0]["labels"]), ["red", "green"]);
    assert_eq!(rows["predictions"][1]["labels"], json!([]));
    let columns = TOY.post_json("/v1/models/toy:predict", &json!({ "inputs": column })).ok();
    let labels = &columns["outputs"]["labels"];
    assert_eq!((names(&labels[0]), &labels[1]), (vec!["red", "green"], &json!([])));
}

const INFER: &str = "/v2/models/toy/infer";

fn infer(more: &Value) -> Value {
    let mut request = json!({
        "inputs": [{ "name": "image", "shape": [2], "datatype": "BYTES",
                     "data": [base64(&picture(TWO)), base64(&picture(NONE))] }],
        "parameters": { "top_k": 3 }
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[test]
fn open_inference_says_of_each_ranked_label_whether_the_picture_has_it() {
    let answer = TOY.post_json(INFER, &infer(&json!({}))).ok();
    let outputs = answer["outputs"].as_array().unwrap();
    let named: Vec<&Value> = outputs.iter().map(|output| &output["name"]).collect();
    assert_eq!(named, ["label", "index", "score", "above_threshold"]);
    let (label, above) = (&outputs[0]["data"], &outputs[3]);
    assert_eq!((&above["datatype"], &above["shape"]), (&json!("BOOL"), &json!([2, 3])));
    assert_eq!(*label, json!(["blue", "red", "green", "blue", "green", "red"]));
    assert_eq!(above["data"], json!([false, true, true, false, false, false]));
    let binary = json!({ "outputs": [{ "name": "above_threshold",
                                       "parameters": { "binary_data": true } }] });
    let answer = TOY.post_json(INFER, &infer(&binary));
    let length: usize = answer.header("inference-header-content-length").parse().unwrap();
    assert_eq!(answer.body[length..], [0, 1, 1, 0, 0, 0]);
    let metadata = TOY.get("/v2/models/toy").ok();
    let tensor = json!({ "name": "above_threshold", "datatype": "BOOL", "shape": [-1, -1] });
    assert_eq!(metadata["outputs"][3], tensor);
    let config = TOY.get("/v2/models/toy/config").ok();
    assert_eq!(config["output"][3]["data_type"], "TYPE_BOOL");
}

#[test]
fn open_inference_leaves_no_label_out_that_holds_unless_told_how_many() {
    let answer = |more: &Value| {
        let answer = TOY.post_json(INFER, &infer(more)).ok();
        (answer["outputs"][0]["shape"][1].clone(), answer["outputs"][3]["data"].clone())
    };
    // Of the first picture the second and the third label hold, of the other one none.
    let all = json!([false, true, true, false, false, false]);
    assert_eq!(answer(&json!({ "parameters": {} })), (json!(3), all));
    let one = json!([false, false]);
    assert_eq!(answer(&json!({ "parameters": { "top_k": 1 } })), (json!(1), one));
    let none = json!({
        "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES",
                     "data": [base64(&picture(NONE))] }],
        "parameters": {}
    });
    assert_eq!(answer(&none), (json!(1), json!([false])));
}

#[test]
fn one_label_per_picture_has_no_such_output_and_no_list() {
    let name = model().manifest().name.clone();
    let asked = infer(&json!({ "outputs": [{ "name": "above_threshold" }] }));
    let message = API.post_json(&format!("/v2/models/{name}/infer"), &asked).error(400);
    assert!(message.ends_with("label, index, score, pages, frames, each once at most"));
    assert!(API.post("/predict", "image/png", picture(TWO)).ok().get("labels").is_none());
}

#[test]
fn the_model_describes_its_task() {
    let model = TOY.get("/model").ok();
    assert_eq!(model["task"], "multi-label");
    assert_eq!(model["thresholds"].as_array().unwrap().len(), 3);
    close(&model["metrics"]["int8_mean_ap"], 0.98);
    assert!(model["metrics"].get("int8_top1").is_none());
}

#[test]
fn thresholds_that_do_not_fit_are_never_served() {
    for (task, thresholds) in [
        ("multi-label", json!([0.5, 0.5])),
        ("multi-label", json!([0.5, 0.5, 1.5])),
        ("single-label", json!([0.5, 0.5, 0.5])),
        ("several-labels", Value::Null),
    ] {
        let folder = toy::bundle_with(Graph::MeanColour, |bundle| {
            bundle["task"] = task.into();
            bundle["thresholds"] = thresholds.clone();
        });
        let api = Api::folder(folder.path());
        api.post("/predict", "image/png", picture(TWO)).problem(503, "model_unavailable");
    }
}

#[test]
fn without_thresholds_a_label_holds_from_one_half_on() {
    let folder = toy::bundle_with(Graph::MeanColour, |bundle| {
        bundle["task"] = "multi-label".into();
    });
    let api = Api::folder(folder.path());
    let answer = api.post("/predict", "image/png", picture([0, 9, 0])).ok();
    assert_eq!(names(&answer["labels"]), ["green", "red", "blue"], "0.5 is enough");
}
