//! A picture past the limits of a request: an address, an upload, an event, a result.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glimpse_api::{ApiConfig, UploadsConfig};
use serde_json::{Value, json};

use crate::common::api::{Api, block_on};
use crate::event::Created;
use crate::world::{MAX_OBJECT_BYTES, PICTURES, RED, RESULTS, World, colour, send};

/// Less than an object may have: an address has a limit of its own.
const MAX_UPLOAD_BYTES: usize = MAX_OBJECT_BYTES / 2;

fn api(world: &World) -> Api {
    let uploads = UploadsConfig {
        bucket: PICTURES.to_owned(),
        results_bucket: RESULTS.to_owned(),
        expiry: Duration::from_secs(300),
        max_bytes: MAX_UPLOAD_BYTES,
    };
    let config = ApiConfig {
        max_object_bytes: MAX_OBJECT_BYTES,
        uploads: Some(uploads),
        ..ApiConfig::default()
    };
    Api::with_objects(world.store.clone(), world.objects(), config)
}

fn ticket(api: &Api, content_type: &str, length: usize) -> Value {
    let order = json!({ "content_type": content_type, "content_length": length });
    let answer = api.post_json("/uploads", &order);
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()
}

/// PUT as a client does; gives the status and the entity tag.
fn put(url: &str, content_type: &str, content: &[u8]) -> (u16, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let put = agent.put(url).header("content-type", content_type).header("if-none-match", "*");
    let answer = put.send(content).unwrap();
    let etag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok());
    (answer.status().as_u16(), etag.unwrap_or_default().trim_matches('"').to_owned())
}

#[test]
fn an_upload_becomes_a_result() {
    let world = World::toy();
    let api = api(&world);
    let picture = colour(RED);
    let ticket = ticket(&api, "image/png", picture.len());
    let (id, result) = (ticket["id"].as_str().unwrap(), ticket["result"].as_str().unwrap());
    assert_eq!(result, format!("/results/{id}"));
    assert_eq!(ticket["method"], "PUT");
    assert_eq!(
        ticket["headers"],
        json!({
            "content-type": "image/png",
            "content-length": picture.len().to_string(),
            "if-none-match": "*"
        })
    );
    assert!(ticket["expires_at"].as_str().unwrap().ends_with('Z'));

    let pending = |when: &str| {
        let answer = api.get(result);
        assert_eq!(answer.status, 202, "{when}: {:?}", answer.body);
        assert_eq!(answer.json(), json!({ "id": id, "status": "pending" }));
        assert!(answer.header("retry-after").parse::<u32>().is_ok());
    };
    pending("before the upload");
    let (status, etag) = put(ticket["url"].as_str().unwrap(), "image/png", &picture);
    assert_eq!(status, 200);
    pending("before the event");
    let created =
        Created { bucket: PICTURES.into(), key: format!("uploads/{id}"), etag, sequencer: 1 };
    block_on(send(&world.handler(), created.notification())).unwrap();
    let answer = api.get(result).ok();
    assert_eq!(answer["label"], "red");
    assert_eq!(answer["source"]["key"], created.key);
}

#[test]
fn a_bad_upload_becomes_its_error_record() {
    let world = World::toy();
    let api = api(&world);
    let ticket = ticket(&api, "image/png", 4);
    let (status, etag) = put(ticket["url"].as_str().unwrap(), "image/png", b"text");
    assert_eq!(status, 200);
    let key = format!("uploads/{}", ticket["id"].as_str().unwrap());
    let created = Created { bucket: PICTURES.into(), key, etag, sequencer: 1 };
    block_on(send(&world.handler(), created.notification())).unwrap();
    let answer = api.get(ticket["result"].as_str().unwrap()).ok();
    assert_eq!(answer["error"]["code"], "unsupported_image_format");
}

#[test]
fn an_address_takes_only_what_was_announced() {
    let world = World::toy();
    let api = api(&world);
    let picture = colour(RED);
    let ticket = ticket(&api, "image/png", picture.len());
    let url = ticket["url"].as_str().unwrap();
    let longer = [picture.as_slice(), b"more"].concat();
    assert_eq!(put(url, "image/png", &longer).0, 403);
    assert_eq!(put(url, "image/png", &picture[1..]).0, 403);
    assert_eq!(put(url, "text/html", &picture).0, 403);
    let elsewhere = url.replace("uploads/", "uploads/x");
    assert_eq!(put(&elsewhere, "image/png", &picture).0, 403);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let unconditional = agent.put(url).header("content-type", "image/png").send(&picture).unwrap();
    assert_eq!(unconditional.status(), 403);
    assert_eq!(put(url, "image/png", &picture).0, 200);
}

#[test]
fn an_address_takes_one_object() {
    let world = World::toy();
    let api = api(&world);
    let picture = colour(RED);
    let ticket = ticket(&api, "image/png", picture.len());
    let url = ticket["url"].as_str().unwrap();
    assert_eq!(put(url, "image/png", &picture).0, 200);
    let other = vec![7; picture.len()];
    assert_eq!(put(url, "image/png", &other).0, 412);
    assert_eq!(put(url, "image/png", &picture).0, 412);
}

#[test]
fn what_is_not_an_upload_is_refused_before_it_is_signed() {
    let api = api(&World::toy());
    let cases = [
        (json!({ "content_type": "text/html", "content_length": 9 }), 400, "invalid_parameter"),
        (json!({ "content_type": "image/svg+xml", "content_length": 9 }), 400, "invalid_parameter"),
        (json!({ "content_type": "image/png", "content_length": 0 }), 400, "missing_image"),
        (json!({ "content_type": "image/png", "content_length": -1 }), 400, "invalid_parameter"),
        (json!({ "content_type": "image/png" }), 400, "invalid_parameter"),
        (
            json!({ "content_type": "image/png", "content_length": 9, "key": "mine" }),
            400,
            "invalid_parameter",
        ),
        (
            json!({ "content_type": "image/png", "content_length": MAX_UPLOAD_BYTES + 1 }),
            413,
            "payload_too_large",
        ),
    ];
    for (body, status, code) in cases {
        println!("{body}");
        api.post_json("/uploads", &body).problem(status, code);
    }
    api.post("/uploads", "application/json", "{").problem(400, "invalid_json");
}

/// An id that this service could have given `ago`.
fn id_given(ago: Duration) -> String {
    let given = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    let time = format!("{:012x}", given.as_millis());
    format!("{}-{}-7abc-8def-0123456789ab", &time[..8], &time[8..])
}

#[test]
fn an_id_without_an_upload_is_pending_until_its_address_has_expired() {
    let world = World::toy();
    let api = api(&world);
    let hour = Duration::from_secs(3600);
    assert_eq!(api.get(&format!("/results/{}", id_given(Duration::ZERO))).status, 202);
    let old = id_given(hour);
    api.get(&format!("/results/{old}")).problem(404, "not_found");
    // Uploaded in time, and the queue is long.
    world.server.put(PICTURES, &format!("uploads/{old}"), colour(RED));
    assert_eq!(api.get(&format!("/results/{old}")).status, 202);
    for never in ["x", "..%2Fuploads", "67e55044-10b1-426f-9247-bb680e5fe0c8", "%ff"] {
        api.get(&format!("/results/{never}")).problem(404, "not_found");
    }
    let upper = id_given(Duration::ZERO).to_uppercase();
    api.get(&format!("/results/{upper}")).problem(404, "not_found");
}

#[test]
fn without_buckets_there_are_no_uploads() {
    let world = World::toy();
    let api = Api::new(world.store.clone(), ApiConfig::default());
    let order = json!({ "content_type": "image/png", "content_length": 9 });
    let problem = api.post_json("/uploads", &order).problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("GLIMPSE_UPLOADS_BUCKET"), "{problem}");
    api.get(&format!("/results/{}", id_given(Duration::ZERO))).problem(404, "not_found");
}

#[test]
fn unreachable_s3_is_reported() {
    let world = World::toy();
    let api = api(&world);
    let fault = glimpse_tests::s3::Fault::SlowDown;
    world.server.faults().plan(".json", fault, 1000);
    let id = id_given(Duration::ZERO);
    api.get(&format!("/results/{id}")).problem(503, "object_unavailable");
}
