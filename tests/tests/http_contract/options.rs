//! `top_k` and `min_score`, in the body and in the query.

use serde_json::{Value, json};

use crate::common::api::{API, cat};
use crate::common::encode::base64;

fn ask(query: &str, options: &Value) -> crate::common::answer::Answer {
    let mut body = options.clone();
    body["image_data"] = json!(base64(&cat()));
    API.post_json(&format!("/predict{query}"), &body)
}

fn count(answer: &Value) -> usize {
    answer["predictions"].as_array().unwrap().len()
}

#[test]
fn top_k_sets_the_number_of_predictions() {
    let cases = [
        ("", json!({}), 5),
        ("", json!({ "top_k": 1 }), 1),
        ("?top_k=3", json!({}), 3),
        ("?top_k=%33", json!({}), 3),
        ("?top_k=3", json!({ "top_k": 7 }), 7),
        ("", json!({ "top_k": null }), 5),
        ("?unknown=1&top_k=2", json!({}), 2),
    ];
    for (query, options, expected) in cases {
        assert_eq!(count(&ask(query, &options).ok()), expected, "{query} {options}");
    }
    assert_eq!(count(&API.post("/predict?top_k=2", "image/jpeg", cat()).ok()), 2);
}

#[test]
fn min_score_leaves_predictions_out_and_never_the_label() {
    let all = ask("", &json!({ "top_k": 1000 })).ok();
    let best = all["score"].as_f64().unwrap();
    let threshold = best / 2.0;
    let kept = |answer: &Value| {
        let scores = answer["predictions"].as_array().unwrap().clone();
        scores.iter().map(|p| p["score"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let expected: Vec<f64> = kept(&all).into_iter().filter(|score| *score >= threshold).collect();
    let some = ask("", &json!({ "top_k": 1000, "min_score": threshold })).ok();
    assert_eq!(kept(&some), expected);
    let same = ask(&format!("?top_k=1000&min_score={threshold}"), &json!({})).ok();
    assert_eq!(kept(&same), expected);
    let none = ask("?min_score=1", &json!({})).ok();
    assert_eq!(none["label"], all["label"]);
    assert_eq!(count(&none), 0);
}

#[test]
fn an_option_out_of_range_is_refused_by_its_name() {
    let cases = [
        ("?top_k=0", json!({}), "top_k"),
        ("?top_k=-1", json!({}), "top_k"),
        ("?top_k=many", json!({}), "top_k"),
        ("?top_k=", json!({}), "top_k"),
        ("?top_k=1001", json!({}), "top_k"),
        ("?top_k=99999999999999999999999", json!({}), "top_k"),
        ("?min_score=1.01", json!({}), "min_score"),
        ("?min_score=NaN", json!({}), "min_score"),
        ("?min_score=inf", json!({}), "min_score"),
        ("", json!({ "top_k": 0 }), "top_k"),
        ("", json!({ "top_k": 1001 }), "top_k"),
        ("", json!({ "top_k": 1.5 }), ""),
        ("", json!({ "top_k": "3" }), ""),
        ("", json!({ "min_score": -0.1 }), "min_score"),
        ("", json!({ "min_score": "high" }), ""),
        ("", json!({ "topk": 3 }), "topk"),
    ];
    for (query, options, name) in cases {
        let problem = ask(query, &options).problem(400, "invalid_parameter");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(name), "{query} {options}: {detail}");
    }
}
