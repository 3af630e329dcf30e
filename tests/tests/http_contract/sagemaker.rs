//! What SageMaker asks of a container.

use serde_json::json;

use crate::common::answer::without_timing;
use crate::common::api::{API, Api, cat, expected};
use crate::common::encode::base64;

#[test]
fn ping_is_refused_until_the_model_is_loaded_and_starts_the_load() {
    let api = Api::folder(&glimpse_tests::workspace::default_bundle());
    api.get("/ping").problem(503, "model_unavailable");
    while api.get("/ping").status == 503 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(api.get("/ping").ok(), json!({ "status": "ok" }));
}

#[test]
fn an_invocation_is_answered_like_a_prediction() {
    let cat = cat();
    let text = json!({ "image_data": base64(&cat), "top_k": 2 }).to_string();
    for (content_type, body) in [
        ("image/jpeg", cat.clone()),
        ("application/x-image", cat.clone()),
        ("application/json", text.into_bytes()),
    ] {
        let answer = API.post("/invocations?top_k=2", content_type, body).ok();
        assert_eq!(without_timing(answer), expected(&cat, 2), "{content_type}");
    }
}

#[test]
fn a_mistake_is_answered_like_a_prediction_s() {
    API.post("/invocations", "text/csv", "1,2").problem(415, "unsupported_media_type");
    API.post("/invocations", "application/json", "{}").problem(400, "missing_image");
    API.post("/invocations", "application/x-image", "").problem(400, "missing_image");
    API.post("/invocations", "application/x-image", "text")
        .problem(415, "unsupported_image_format");
}
