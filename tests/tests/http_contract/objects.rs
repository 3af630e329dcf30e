//! `{"s3": {"bucket", "key"}}`: pictures that are in S3 already.

use glimpse_api::ApiConfig;
use glimpse_tests::s3::Fault;
use glimpse_tests::workspace;
use serde_json::json;

use crate::common::answer::{Answer, without_timing};
use crate::common::api::{Api, cat, expected, store_config};
use crate::scene::{MODELS, Scene, UPLOADS};

const LIMIT: usize = 100_000;

/// The default bundle from its folder, pictures from S3.
fn start(scene: &Scene) -> Api {
    let s3_buckets = vec![UPLOADS.to_owned()];
    let config = ApiConfig { s3_buckets, max_object_bytes: LIMIT, ..ApiConfig::default() };
    scene.start_as(store_config(&workspace::default_bundle()), config)
}

fn ask(api: &Api, bucket: &str, key: &str) -> Answer {
    api.post_json("/predict", &json!({ "s3": { "bucket": bucket, "key": key }, "top_k": 3 }))
}

#[test]
fn an_object_of_an_allowed_bucket_is_classified() {
    let scene = Scene::unpublished();
    let api = start(&scene);
    for key in ["cat.jpg", "a folder/çat+1%.jpg"] {
        scene.server.put(UPLOADS, key, cat());
        let answer = ask(&api, UPLOADS, key).ok();
        assert_eq!(without_timing(answer), expected(&cat(), 3), "{key}");
    }
}

#[test]
fn a_bucket_that_is_not_allowed_is_not_even_asked() {
    let scene = Scene::unpublished();
    scene.server.put(MODELS, "cat.jpg", cat());
    let before = scene.server.faults().requests("").len();
    let api = start(&scene);
    for bucket in [MODELS, "no-such-bucket", "", "uploads ", "Uploads"] {
        ask(&api, bucket, "cat.jpg").problem(400, "invalid_parameter");
    }
    assert_eq!(scene.server.faults().requests("").len(), before);
}

#[test]
fn every_mistake_has_its_error() {
    let scene = Scene::unpublished();
    let api = start(&scene);
    scene.server.put(UPLOADS, "large.jpg", vec![0; LIMIT + 1]);
    scene.server.put(UPLOADS, "text.jpg", b"no picture at all".to_vec());
    scene.server.put(UPLOADS, "broken.jpg", cat()[..200].to_vec());
    scene.server.put(UPLOADS, "empty.jpg", Vec::new());
    ask(&api, UPLOADS, "no-such-key").problem(400, "invalid_parameter");
    ask(&api, UPLOADS, "").problem(400, "invalid_parameter");
    ask(&api, UPLOADS, "large.jpg").problem(413, "payload_too_large");
    ask(&api, UPLOADS, "text.jpg").problem(415, "unsupported_image_format");
    ask(&api, UPLOADS, "empty.jpg").problem(400, "missing_image");
    ask(&api, UPLOADS, "broken.jpg").problem(422, "corrupt_image");
    for body in [
        json!({ "s3": { "bucket": UPLOADS } }),
        json!({ "s3": { "bucket": UPLOADS, "key": "cat.jpg", "region": "x" } }),
        json!({ "s3": "cat.jpg" }),
        json!({ "s3": { "bucket": UPLOADS, "key": "x" }, "image": "" }),
    ] {
        api.post_json("/predict", &body).problem(400, "invalid_parameter");
    }
}

#[test]
fn an_archived_object_is_the_requests_fault_as_no_second_try_helps() {
    let scene = Scene::unpublished();
    scene.server.put(UPLOADS, "cat.jpg", cat());
    let api = start(&scene);
    scene.server.faults().plan("cat.jpg", Fault::Archived, 1);
    ask(&api, UPLOADS, "cat.jpg").problem(400, "invalid_parameter");
    ask(&api, UPLOADS, "cat.jpg").ok();
}

#[test]
fn s3_out_of_reach_is_object_unavailable_until_it_is_back() {
    let scene = Scene::unpublished();
    scene.server.put(UPLOADS, "cat.jpg", cat());
    let api = start(&scene);
    for fault in [Fault::SlowDown, Fault::Truncate(100)] {
        scene.server.faults().plan("cat.jpg", fault, 1000);
        ask(&api, UPLOADS, "cat.jpg").problem(503, "object_unavailable");
        scene.server.faults().clear();
        ask(&api, UPLOADS, "cat.jpg").ok();
    }
}
