//! What becomes of an object: a label, an error record, or a failure that is tried again.

use glimpse_api::ApiConfig;
use glimpse_s3_events::{EventsConfig, Handler, HandlerError, Worker};
use glimpse_tests::s3::Fault;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::common::api::{Api, block_on, cat};
use crate::common::encode::{animation, encode, pages, plain};
use crate::common::toy::{self, Graph};
use crate::event::{self, Created};
use crate::world::{GREEN, MAX_OBJECT_BYTES, PICTURES, RED, RESULTS, World, colour, send};

const ALWAYS: usize = 10_000;

fn failed(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect()
}

#[test]
fn a_picture_gets_the_documented_result() {
    let world = World::toy();
    let keys = ["red.png", "with space+plus&%.png", "猫/🐈 à.png", "a//b/../c.png", "%41.png"];
    for (n, key) in keys.into_iter().enumerate() {
        // A file system, unlike S3, takes `..` for a step up; the key is decoded all the same.
        let key = key.replace("/../", "/.../");
        let created = world.put(&key, colour(RED), n as u64 + 1);
        block_on(async {
            assert_eq!(send(&world.handler(), created.notification()).await.unwrap(), Value::Null);
            let mut result = world.result_json(&key).await;
            let predictions = result["predictions"].take();
            assert_eq!(predictions.as_array().map(Vec::len), Some(3));
            assert_eq!(predictions[0]["score"], result["score"]);
            assert!(result["score"].as_f64().unwrap() > 0.99);
            result["score"] = Value::Null;
            assert_eq!(
                result,
                json!({
                    "schema_version": 1,
                    "source": { "bucket": PICTURES, "key": key, "etag": created.etag,
                                "version_id": null,
                                "sequencer": format!("{:016X}", created.sequencer) },
                    "model": { "name": "toy", "version": "1" },
                    "label": "red", "index": 0, "score": null, "predictions": null
                })
            );
        });
    }
}

#[test]
fn a_result_has_every_label_of_the_picture() {
    let world = World::with_bundle(toy::several_labels());
    for (key, rgb, expected) in
        [("two.png", [200, 100, 201], &["red", "green"][..]), ("none.png", [0, 0, 0], &[])]
    {
        let created = world.put(key, colour(rgb), 1);
        block_on(async {
            send(&world.handler(), created.notification()).await.unwrap();
            let result = world.result_json(key).await;
            let labels = result["labels"].as_array().unwrap().iter();
            let names: Vec<&str> = labels.map(|one| one["label"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
            assert_eq!((&result["label"], &result["index"]), (&json!("blue"), &json!(2)));
        });
    }
}

#[test]
fn a_result_counts_pages_and_frames_and_is_that_of_the_first() {
    let world = World::toy();
    let files =
        [("scan.tif", pages(&[RED, GREEN]), "pages"), ("gif", animation(&[RED, GREEN]), "frames")];
    for (key, content, member) in files {
        let created = world.put(key, content, 1);
        block_on(async {
            send(&world.handler(), created.notification()).await.unwrap();
            let result = world.result_json(key).await;
            assert_eq!(result["label"], "red");
            let counts = ["pages", "frames"].map(|name| (name, result.get(name).cloned()));
            for (name, count) in counts {
                assert_eq!(count, (name == member).then(|| json!(2)), "{key} {name}");
            }
        });
    }
}

/// What is wrong with it, its bytes, and the code.
fn bad_pictures() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let cat = cat();
    vec![
        ("empty", Vec::new(), "missing_image"),
        ("text", b"not a picture at all".to_vec(), "unsupported_image_format"),
        ("truncated", cat[..cat.len() / 2].to_vec(), "corrupt_image"),
        ("long", vec![0; MAX_OBJECT_BYTES + 1], "payload_too_large"),
        ("bomb", bomb(), "image_too_large"),
    ]
}

/// A PNG whose header announces 100,000 by 100,000 pixels.
fn bomb() -> Vec<u8> {
    let mut png = colour(RED);
    png[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_bad_picture_is_an_error_record_and_never_a_failure() {
    let world = World::toy();
    let handler = world.handler();
    let pictures = bad_pictures();
    let mut bodies = Vec::new();
    for (n, (key, bytes, _)) in pictures.iter().enumerate() {
        let created = world.put(key, bytes.clone(), n as u64 + 1);
        bodies.push((*key, created.notification().to_string()));
    }
    let answer = block_on(send(&handler, event::messages(bodies))).unwrap();
    assert_eq!(failed(&answer), Vec::<&str>::new());
    for (key, _, code) in pictures {
        let result = block_on(world.result_json(key));
        assert_eq!(result["error"]["code"], code, "{key}");
        assert!(result["error"]["detail"].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        assert!(result.get("label").is_none(), "{key}");
        assert_eq!(result["model"]["name"], "toy", "{key}");
    }
}

#[test]
fn the_codes_are_those_of_the_http_api() {
    let world = World::toy();
    let limits = ApiConfig { max_body_bytes: MAX_OBJECT_BYTES, ..ApiConfig::default() };
    let api = Api::new(world.store.clone(), limits);
    for (what, bytes, code) in bad_pictures() {
        let answer = api.post("/predict", "image/jpeg", bytes);
        assert_eq!(answer.json()["code"], code, "{what}");
    }
}

#[test]
fn an_object_that_was_deleted_is_an_error_record() {
    let world = World::toy();
    let created = world.put("gone.png", colour(RED), 1);
    block_on(async {
        world.delete("gone.png").await;
        send(&world.handler(), created.notification()).await.unwrap();
        let result = world.result_json("gone.png").await;
        assert_eq!(result["error"]["code"], "not_found");
        assert_eq!(result["source"]["etag"], created.etag);
    });
}

#[test]
fn s3_that_throttles_is_a_failure_in_every_triggers_own_words() {
    let world = World::toy();
    let handler = world.handler();
    let created = world.put("red.png", colour(RED), 1);
    for (path, code) in [("/red.png", "object_unavailable"), (".json", "results_unavailable")] {
        world.server.faults().plan(path, Fault::SlowDown, ALWAYS);
        block_on(async {
            let error = send(&handler, created.notification()).await.unwrap_err();
            assert!(
                matches!(error, HandlerError::Objects { failed: 1, objects: 1, .. }),
                "{error}"
            );
            let queued = event::messages([("m", created.notification().to_string())]);
            assert_eq!(failed(&send(&handler, queued).await.unwrap()), ["m"]);
            let answer = send(&handler, event::task(PICTURES, "red.png")).await.unwrap();
            let result = &answer["results"][0];
            assert_eq!(result["resultCode"], "TemporaryFailure", "{answer}");
            assert!(result["resultString"].as_str().unwrap().starts_with(code), "{answer}");
            world.server.faults().clear();
            assert_eq!(world.result("red.png").await, None);
        });
    }
    block_on(async {
        send(&handler, created.notification()).await.unwrap();
        assert_eq!(world.result_json("red.png").await["label"], "red");
    });
}

#[test]
fn a_body_that_breaks_off_is_a_failure_and_no_corrupt_picture() {
    let world = World::toy();
    let created = world.put("red.png", colour(RED), 1);
    world.server.faults().plan("/red.png", Fault::Truncate(20), ALWAYS);
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap_err();
        assert_eq!(world.result("red.png").await, None);
    });
}

#[test]
fn only_the_failed_messages_are_reported() {
    let world = World::toy();
    let good = world.put("good.png", colour(RED), 1).notification().to_string();
    let throttled = world.put("throttled.png", colour(RED), 2).notification().to_string();
    world.server.faults().plan("/throttled.png", Fault::SlowDown, ALWAYS);
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": PICTURES });
    let queued = event::messages([
        ("good", good),
        ("throttled", throttled),
        ("test", test.to_string()),
        ("poison", "{".to_owned()),
        ("foreign", json!({ "hello": "world" }).to_string()),
    ]);
    let answer = block_on(send(&world.handler(), queued)).unwrap();
    assert_eq!(failed(&answer), ["throttled", "poison", "foreign"]);
    assert!(block_on(world.result("good.png")).is_some());
}

#[test]
fn a_model_that_cannot_be_loaded_or_fails_is_a_failure_and_writes_nothing() {
    let world = World::toy();
    let created = world.put("red.png", colour(RED), 1);
    let absent = world.store_of("/nonexistent".as_ref());
    let broken = World::with_graph(Graph::NotANumber);
    let broken_created = broken.put("red.png", colour(RED), 1);
    block_on(async {
        let error = send(&world.handler_with(absent), created.notification()).await.unwrap_err();
        assert!(error.to_string().contains("the model cannot be loaded"), "{error}");
        assert_eq!(world.result("red.png").await, None);
        let answer = send(&broken.handler(), broken_created.notification()).await;
        assert!(answer.unwrap_err().to_string().contains("the model failed"));
        let answer = send(&broken.handler(), event::task(PICTURES, "red.png")).await.unwrap();
        assert_eq!(answer["results"][0]["resultCode"], "PermanentFailure", "{answer}");
        assert_eq!(broken.result("red.png").await, None);
    });
}

#[test]
fn an_object_among_the_results_has_no_result() {
    let world = World::toy();
    let etag = world.server.put(RESULTS, "red.png", colour(RED));
    let (bucket, key) = (RESULTS.to_owned(), "red.png".to_owned());
    let created = Created { bucket, key, etag, sequencer: 1 };
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap();
        let answer = send(&world.handler(), event::task(RESULTS, "red.png")).await.unwrap();
        assert_eq!(answer["results"][0]["resultCode"], "PermanentFailure", "{answer}");
    });
    assert!(world.server.faults().requests(".json").is_empty());
}

#[test]
fn an_invocation_without_time_left_fails_what_it_did_not_settle() {
    let world = World::toy();
    let created = world.put("slow.png", colour(RED), 1);
    let delay = std::time::Duration::from_secs(20);
    world.server.faults().plan("/slow.png", Fault::Delay(delay), 1);
    let queued = event::messages([("slow", created.notification().to_string())]);
    let soon = glimpse_s3_events::Invocation::new("r", std::time::Duration::from_millis(200));
    let answer = block_on(world.handler().handle(queued, &soon)).unwrap();
    assert_eq!(failed(&answer), ["slow"]);
}

#[test]
fn a_picture_over_the_memory_budget_gets_an_error_record() {
    let world = World::toy();
    let config =
        EventsConfig { memory_budget: Some(4_500_000), ..EventsConfig::new(RESULTS.to_owned()) };
    let handler = Handler::new(Worker::new(world.store.clone(), world.objects(), config));
    let large = encode(&plain(1000, 1000, [0, 0, 200]), ImageFormat::Png);
    let objects = [("large.png", large), ("small.png", colour(RED))];
    for (sequencer, (key, content)) in (1..).zip(objects) {
        let created = world.put(key, content, sequencer);
        block_on(async { send(&handler, created.notification()).await.unwrap() });
    }
    block_on(async {
        let large = world.result_json("large.png").await;
        assert_eq!(large["error"]["code"], "image_too_large", "{large}");
        assert_eq!(world.result_json("small.png").await["label"], "red");
    });
}
