//! `{"images": […]}`: one result or error for each picture, in order.

use std::time::Duration;

use glimpse_api::ApiConfig;
use glimpse_tests::workspace;
use serde_json::{Value, json};

use crate::common::answer::{check_problem, without_timing};
use crate::common::api::{API, Api, cat, expected, store};
use crate::common::encode::{base64, encode, textured};

fn batch(images: &[String]) -> Vec<Value> {
    let answer = API.post_json("/predict", &json!({ "images": images })).ok();
    answer["results"].as_array().unwrap().clone()
}

#[test]
fn results_are_those_of_single_requests_in_order() {
    let pictures: Vec<Vec<u8>> =
        (1..=16).map(|n| encode(&textured(20 * n, 150 - 5 * n), image::ImageFormat::Png)).collect();
    let images: Vec<String> = pictures.iter().map(|picture| base64(picture)).collect();
    let results = batch(&images);
    assert_eq!(results.len(), pictures.len());
    for (number, (result, picture)) in results.into_iter().zip(&pictures).enumerate() {
        assert_eq!(without_timing(result), expected(picture, 5), "picture {number}");
    }
}

#[test]
fn a_bad_picture_fails_alone() {
    let cat = cat();
    let (good, text) = (expected(&cat, 5), base64(&cat));
    let cases = [
        (text.clone(), None),
        ("***".to_owned(), Some((400, "invalid_base64"))),
        (text.clone(), None),
        (base64(b"%PDF-1.7"), Some((415, "unsupported_image_format"))),
        (String::new(), Some((400, "missing_image"))),
        (base64(&cat[..200]), Some((422, "corrupt_image"))),
        (base64(&crate::errors::huge_png()), Some((413, "image_too_large"))),
        (format!("data:image/jpeg;base64,{text}"), None),
    ];
    let images: Vec<String> = cases.iter().map(|(image, _)| image.clone()).collect();
    let results = batch(&images);
    assert_eq!(results.len(), cases.len());
    for (result, (image, problem)) in results.into_iter().zip(&cases) {
        let start: String = image.chars().take(30).collect();
        match problem {
            None => assert_eq!(without_timing(result), good, "{start}"),
            Some((status, code)) => check_problem(&result["error"], *status, code),
        }
    }
}

#[test]
fn a_batch_without_one_good_picture_is_answered_too() {
    let results = batch(&["*".to_owned(), base64(b"nothing")]);
    check_problem(&results[0]["error"], 400, "invalid_base64");
    check_problem(&results[1]["error"], 415, "unsupported_image_format");
}

#[test]
fn options_hold_for_every_picture() {
    let text = base64(&cat());
    let body = json!({ "images": [text, text], "top_k": 2 });
    for result in API.post_json("/predict", &body).ok()["results"].as_array().unwrap() {
        assert_eq!(result["predictions"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_request_may_take_so_much_time_and_no_more() {
    let max_request_time = Duration::from_millis(5);
    let config = ApiConfig { max_request_time, ..ApiConfig::default() };
    let api = Api::new(store(&workspace::default_bundle()), config);
    let [small, large] =
        [300, 1000].map(|side| encode(&textured(side, side), image::ImageFormat::Png));
    let batch = |count| json!({ "images": vec![base64(&small); count] });
    api.post("/predict", "image/png", small.clone()).ok();
    api.post_json("/predict", &batch(1)).ok();
    let refused = api.post_json("/predict", &batch(16)).problem(413, "batch_too_large");
    assert!(refused["detail"].to_string().contains("more than 5ms"), "{refused}");
    api.post("/predict", "image/png", large).problem(413, "image_too_large");
}
