//! Every form in which `POST /predict` takes a picture gives the same answer.

use serde_json::json;

use crate::common::answer::without_timing;
use crate::common::api::{API, cat, expected};
use crate::common::encode::{FORMATS, base64, encode, textured};

const JSON: &str = "application/json";

#[test]
fn every_form_gives_the_engines_answer() {
    let cat = cat();
    let text = base64(&cat);
    let url_safe = text.replace('+', "-").replace('/', "_");
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|l| str::from_utf8(l).unwrap()).collect();
    let escaped = format!(r#"{{"image_data":"{}"}}"#, text.replace('/', r"\/"));
    let data_url = format!("data:image/jpeg;base64,{text}");
    let forms: Vec<(&str, &str, Vec<u8>)> = vec![
        ("image_data", JSON, json!({ "image_data": text }).to_string().into()),
        ("image", JSON, json!({ "image": text }).to_string().into()),
        ("data URL", JSON, json!({ "image_data": data_url }).to_string().into()),
        ("data URL as image", JSON, json!({ "image": data_url }).to_string().into()),
        ("URL-safe base64", JSON, json!({ "image": url_safe }).to_string().into()),
        ("no padding", JSON, json!({ "image": text.trim_end_matches('=') }).to_string().into()),
        ("base64 in lines", JSON, json!({ "image": lines.join("\r\n") }).to_string().into()),
        ("escaped slashes", JSON, escaped.into()),
        ("charset", "application/json; charset=UTF-8", json!({ "image": text }).to_string().into()),
        ("+json", "application/vnd.acme+json", json!({ "image": text }).to_string().into()),
        ("raw", "image/jpeg", cat.clone()),
        ("raw, unusual case", "IMAGE/JPEG", cat.clone()),
        ("raw, wrong subtype", "image/png", cat.clone()),
        ("raw, any subtype", "image/*", cat.clone()),
    ];
    let expected = expected(&cat, 5);
    for (form, content_type, body) in forms {
        let answer = API.post("/predict", content_type, body);
        assert_eq!(answer.status, 200, "{form}: {:?}", answer.body);
        assert_eq!(without_timing(answer.ok()), expected, "{form}");
    }
}

#[test]
fn every_format_is_classified() {
    for (name, format) in FORMATS {
        let file = encode(&textured(80, 60), format);
        let answer = API.post("/predict", "image/*", file.clone());
        assert_eq!(answer.status, 200, "{name}: {:?}", answer.body);
        assert_eq!(without_timing(answer.ok()), expected(&file, 5), "{name}");
    }
}

#[test]
fn scores_are_probabilities_in_descending_order_and_the_label_is_the_first() {
    let answer = API.predict(&cat()).ok();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 5);
    let scores: Vec<f64> = predictions.iter().map(|p| p["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
    for member in ["label", "index", "score"] {
        assert_eq!(answer[member], predictions[0][member]);
    }
}

#[test]
fn all_classes_together_sum_to_one() {
    let answer = API.post("/predict?top_k=1000", "image/jpeg", cat()).ok();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), crate::common::api::model().labels().len());
    let sum: f64 = predictions.iter().map(|p| p["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
}
