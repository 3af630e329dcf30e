//! Honest scores: temperature, abstention, energy; and the embedding.

use glimpse_tests::workspace;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::common::api::{API, Api, cat, model};
use crate::common::encode::{base64, encode, plain};
use crate::common::toy::{self, Graph, SIDE};

/// A toy whose logits for [`picture`] are 11, 8 and 4, with the temperature, if any.
fn start(temperature: Option<f64>) -> Api {
    let folder = toy::bundle_with(Graph::Explained, |bundle| {
        if let Some(temperature) = temperature {
            bundle["calibration"] = json!({
                "temperature": temperature, "images": 1, "ece_before": 0.2, "ece_after": 0.1
            });
        }
    });
    let api = Api::folder(folder.path());
    // The load happens now, while the folder is there.
    assert_eq!(api.get("/model").status, 200);
    api
}

const LOGITS: [f64; 3] = [11.0, 8.0, 4.0];

fn picture() -> Vec<u8> {
    encode(&plain(SIDE, SIDE, [10, 6, 1]), ImageFormat::Png)
}

fn ask(api: &Api, options: &Value) -> Value {
    let mut body = options.clone();
    body["image"] = json!(base64(&picture()));
    api.post_json("/predict", &body).ok()
}

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

#[test]
fn scores_are_the_softmax_of_the_logits_over_the_temperature() {
    for temperature in [None, Some(1.0), Some(2.5), Some(0.5)] {
        let answer = ask(&start(temperature), &json!({ "explain": true, "ood": true }));
        let powers = LOGITS.map(|logit| (logit / temperature.unwrap_or(1.0)).exp());
        for (ranked, power) in answer["predictions"].as_array().unwrap().iter().zip(powers) {
            close(&ranked["score"], power / powers.iter().sum::<f64>());
        }
        // Neither depends on the calibration.
        close(&answer["explanation"]["logit"], LOGITS[0]);
        close(&answer["energy"], -LOGITS.map(f64::exp).iter().sum::<f64>().ln());
    }
}

#[test]
fn a_bundle_with_an_impossible_temperature_is_never_served() {
    let folder = toy::bundle_with(Graph::Explained, |bundle| {
        bundle["calibration"] =
            json!({ "temperature": 0, "images": 1, "ece_before": 0.2, "ece_after": 0.1 });
    });
    Api::folder(folder.path()).predict(&picture()).problem(503, "model_unavailable");
}

#[test]
fn under_abstain_below_there_is_no_label_but_all_the_rest() {
    let api = start(None);
    let plain = ask(&api, &json!({}));
    let best = plain["score"].as_f64().unwrap();
    let sure = ask(&api, &json!({ "abstain_below": best - 1e-4 }));
    assert_eq!((&sure["label"], &sure["index"]), (&json!("red"), &json!(0)));
    for answer in [
        ask(&api, &json!({ "abstain_below": best + 1e-4 })),
        api.post("/predict?abstain_below=1", "image/png", picture()).ok(),
    ] {
        assert_eq!((&answer["label"], &answer["index"]), (&Value::Null, &Value::Null));
        assert!(answer.as_object().unwrap().contains_key("label"), "null is said, not left out");
        assert_eq!(answer["score"], plain["score"]);
        assert_eq!(answer["predictions"], plain["predictions"]);
    }
    let body = json!({ "images": [base64(&picture()), base64(&picture())], "abstain_below": 1.0 });
    for result in api.post_json("/predict", &body).ok()["results"].as_array().unwrap() {
        assert_eq!(result["label"], Value::Null);
    }
}

/// Scores are known up to a factor and one logit is told: that is all the logits.
#[test]
fn a_trained_models_energy_is_that_of_its_logits() {
    let temperature = f64::from(model().manifest().temperature());
    let answer = API.post("/predict?ood=true&explain=true&top_k=1000", "image/jpeg", cat()).ok();
    let scores =
        answer["predictions"].as_array().unwrap().iter().map(|p| p["score"].as_f64().unwrap());
    let (best, logit) = (answer["score"].as_f64().unwrap(), &answer["explanation"]["logit"]);
    let logit = logit.as_f64().unwrap();
    let sum: f64 = scores.map(|score| (temperature * (score / best).ln() + logit).exp()).sum();
    let energy = answer["energy"].as_f64().unwrap();
    assert!((energy + sum.ln()).abs() < 1e-3, "{energy} is not {}", -sum.ln());
    assert!(API.predict(&cat()).ok().get("energy").is_none());
}

#[test]
fn an_embedding_has_length_one_and_the_models_direction() {
    let api = start(None);
    let answer = ask(&api, &json!({ "embedding": true }));
    let expected = [10.0, 6.0, 1.0].map(|value| value / f64::sqrt(137.0));
    let found = answer["embedding"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    for (found, expected) in found.iter().zip(expected) {
        close(found, expected);
    }
    assert!(ask(&api, &json!({})).get("embedding").is_none());
    let answer = api.post("/predict?embedding=true", "image/png", picture()).ok();
    assert_eq!(answer["embedding"].as_array().unwrap(), found);
}

#[test]
fn a_black_picture_has_no_direction_and_its_embedding_is_zero() {
    let black = encode(&plain(SIDE, SIDE, [0, 0, 0]), ImageFormat::Png);
    let answer = start(None).post("/predict?embedding=true", "image/png", black).ok();
    assert_eq!(answer["embedding"], json!([0.0, 0.0, 0.0]));
}

#[test]
fn similar_pictures_have_similar_embeddings() {
    let dimension = model().embedding_dimension().unwrap();
    let embedding = |picture: Vec<u8>| -> Vec<f64> {
        let answer = API.post("/predict?embedding=true", "image/*", picture).ok();
        let values = answer["embedding"].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let file = workspace::picture("chelsea.png");
    let mirrored = encode(&image::open(file).unwrap().fliph(), ImageFormat::Png);
    let rocket = std::fs::read(workspace::picture("rocket.jpg")).unwrap();
    let (cat, mirrored, rocket) = (embedding(cat()), embedding(mirrored), embedding(rocket));
    assert_eq!(cat.len(), dimension);
    for one in [&cat, &mirrored, &rocket] {
        assert!((dot(one, one) - 1.0).abs() < 1e-5);
    }
    assert!(dot(&cat, &mirrored) > dot(&cat, &rocket));
}
