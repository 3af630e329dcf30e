//! The first request of a process, and the first sixty-four.

use futures::future::join_all;
use http::Method;
use serde_json::json;

use crate::common::answer::without_timing;
use crate::common::api::{block_on, cat, expected, request};
use crate::common::encode::base64;
use crate::scene::Scene;

#[test]
fn sixty_four_concurrent_first_requests_cause_one_download() {
    let scene = Scene::new();
    let api = scene.start();
    let body = json!({ "image_data": base64(&cat()) }).to_string();
    let ask = |_| {
        let (api, body) = (api.clone(), body.clone().into_bytes());
        tokio::spawn(async move {
            let request = request(Method::POST, "/predict", Some("application/json"), body);
            api.answer(request).await
        })
    };
    let answers = block_on(async { join_all((0..64).map(ask)).await });
    let expected = expected(&cat(), 5);
    for answer in answers {
        assert_eq!(without_timing(answer.unwrap().ok()), expected);
    }
    assert_eq!(scene.model_downloads(), 1);
    for file in ["labels.txt", "bundle.json"] {
        let requests = scene.server.faults().requests(file);
        let downloads = requests.iter().filter(|line| line.starts_with("GET")).count();
        assert_eq!(downloads, 1, "{file}: {requests:?}");
    }
}

#[test]
fn the_next_process_takes_the_model_from_the_cache() {
    let scene = Scene::new();
    let first = without_timing(scene.start().predict(&cat()).ok());
    scene.cache_entry();
    assert_eq!(without_timing(scene.start().predict(&cat()).ok()), first);
    assert_eq!(scene.model_downloads(), 1);
}

#[test]
fn health_and_pages_load_nothing() {
    let scene = Scene::new();
    let api = scene.start();
    for path in ["/healthz", "/v2", "/v2/health/live", "/openapi.json", "/"] {
        assert_eq!(api.get(path).status, 200, "{path}");
    }
    assert_eq!(scene.server.faults().requests("").len(), 4, "the uploads of the bundle");
}
