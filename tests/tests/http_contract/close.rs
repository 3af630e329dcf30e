//! A JPEG whose label is too close to call at reduced scale has that of full scale, in every protocol.

use std::sync::{Arc, LazyLock};

use glimpse_api::ApiConfig;
use glimpse_classifier::{Classifier, Explain, Explanations, Options};
use serde_json::{Value, json};

use crate::common::api::{Api, block_on, store};
use crate::common::close::{Close, at_full_scale, close, sure};
use crate::common::encode::base64;
use crate::common::toy::{self, Graph};

struct Scene {
    api: Api,
    model: Arc<Classifier>,
    picture: Close,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let store = store(&toy::bundle(Graph::Featured).keep());
    let model = block_on(store.get()).unwrap();
    let picture = close(&model, 64);
    Scene { api: Api::new(store, ApiConfig::default()), model, picture }
});

#[test]
fn every_protocol_answers_from_full_scale() {
    let Scene { api, picture, .. } = &*SCENE;
    let (label, text) = (json!(picture.full.top.label), base64(&picture.file));
    assert_ne!(label, json!(picture.reduced));
    let sure_text = base64(&sure());
    for path in ["/predict", "/invocations"] {
        assert_eq!(api.post(path, "image/jpeg", picture.file.clone()).ok()["label"], label);
        let batch = json!({ "images": [text, sure_text, "bm8=", text] });
        let results = api.post_json(path, &batch).ok()["results"].clone();
        let labels = [0, 1, 2, 3].map(|place| results[place]["label"].clone());
        assert_eq!(labels, [label.clone(), "red".into(), Value::Null, label.clone()]);
    }
    assert_eq!(api.post_json("/predict", &json!({ "image_data": text })).ok()["label"], label);
    let instances = json!({ "instances": [{ "b64": text }, { "b64": sure_text }] });
    let answer = api.post_json("/v1/models/toy:predict", &instances).ok();
    assert_eq!(answer["predictions"][0]["label"], label);
    assert_eq!(answer["predictions"][1]["label"], "red");
    let input = json!({ "name": "image", "datatype": "BYTES", "shape": [1], "data": [text] });
    let answer = api.post_json("/v2/models/toy/infer", &json!({ "inputs": [input] })).ok();
    let named = answer["outputs"].as_array().unwrap().iter().find(|one| one["name"] == "label");
    assert_eq!(named.unwrap()["data"][0], label);
}

#[test]
fn scores_maps_and_embedding_are_those_of_the_same_pixels() {
    let Scene { api, model, picture } = &*SCENE;
    let options =
        Options { explain: Some(Explain::default()), embedding: true, ..Options::default() };
    let expected = at_full_scale(model, &picture.file, &options);
    let body = json!({ "image_data": base64(&picture.file), "explain": true, "embedding": true });
    let answer = api.post_json("/predict", &body).ok();
    let number = |value: f32| serde_json::to_value(value).unwrap();
    let near =
        |found: &Value, expected: f32| (found.as_f64().unwrap() - f64::from(expected)).abs() < 1e-6;
    assert!(near(&answer["score"], expected.top.score), "{answer} {}", number(expected.top.score));
    let map = &expected.explanations.as_ref().map(Explanations::as_slice).unwrap()[0];
    let values = answer["explanation"]["values"].as_array().unwrap();
    assert!(values.iter().zip(map.map.scaled()).all(|(found, expected)| near(found, expected)));
    let embedding = answer["embedding"].as_array().unwrap();
    assert!(embedding.iter().zip(expected.embedding.unwrap()).all(|(a, b)| near(a, b)));
}

#[test]
fn the_engine_decodes_a_sure_picture_once() {
    let Scene { model, picture, .. } = &*SCENE;
    let options = Options::default();
    let twice = model.classify(&picture.file, &options).unwrap();
    assert!(twice.decoded_again && !twice.is_close);
    assert_eq!(twice.top, picture.full.top);
    let once = model.classify(&sure(), &options).unwrap();
    assert!(!once.decoded_again && !once.is_close);
    let files = [picture.file.clone(), sure(), b"none".to_vec(), picture.file.clone()];
    let batch = model.classify_batch(&files, &options);
    let again = batch.iter().map(|one| one.as_ref().is_ok_and(|one| one.decoded_again));
    assert_eq!(again.collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(batch[3].as_ref().unwrap().top, picture.full.top);
}
