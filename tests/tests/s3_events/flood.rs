//! A thousand objects through a queue while S3 throttles: each gets its right result, none is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use glimpse_classifier::{Limits, Options, decode};
use glimpse_s3_events::Handler;
use glimpse_tests::s3::Fault;
use glimpse_tests::{jpeg, workspace};
use image::{DynamicImage, GenericImageView as _};
use serde_json::{Value, json};

use crate::common::api::block_on;
use crate::event::{self, Created};
use crate::queue::Queue;
use crate::world::{MAX_OBJECT_BYTES, PICTURES, RESULTS, World, send};

const OBJECTS: usize = 1000;
const SIDE: u32 = 80;
const MAX_RECEIVE_COUNT: u32 = 5;
const BATCH: usize = 10;
const ENVIRONMENTS: usize = 4;

/// What the result of an object must say.
enum Expected {
    Label { label: String, index: usize, score: f64 },
    Code(&'static str),
}

/// Real pictures, cut differently for each object.
fn crops() -> impl Fn(usize) -> Vec<u8> {
    let names = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];
    let open = |name: &&str| {
        let bytes = std::fs::read(workspace::picture(name)).unwrap();
        DynamicImage::ImageRgb8(decode(&bytes, &Limits::default()).unwrap().pixels)
    };
    let pictures: Vec<DynamicImage> = names.iter().map(open).collect();
    move |n| {
        let picture = &pictures[n % pictures.len()];
        let (width, height) = picture.dimensions();
        let n = u32::try_from(n).unwrap();
        let (x, y) = (n * 37 % (width - SIDE), n * 53 % (height - SIDE));
        let crop = picture.crop_imm(x, y, SIDE, SIDE).to_rgb8();
        jpeg::rgb(crop.as_raw(), (SIDE, SIDE)).unwrap()
    }
}

/// One in twenty objects is no picture, in five ways.
fn spoilt(n: usize, jpeg: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    if n % 20 != 7 {
        return (jpeg, None);
    }
    let half = jpeg.len() / 2;
    match n / 20 % 5 {
        0 => (jpeg[..half].to_vec(), Some("corrupt_image")),
        1 => (b"%PDF-1.7".repeat(20), Some("unsupported_image_format")),
        2 => (Vec::new(), Some("missing_image")),
        3 => (jpeg.repeat(MAX_OBJECT_BYTES / jpeg.len() + 1), Some("payload_too_large")),
        _ => (jpeg[..200].to_vec(), Some("corrupt_image")),
    }
}

/// Every object with its events: one in twenty is told of twice, one in fifty is written twice.
fn upload(world: &World) -> (Vec<Created>, BTreeMap<String, Expected>) {
    let crop = crops();
    let model = block_on(world.store.get()).unwrap();
    let (mut events, mut expected) = (Vec::new(), BTreeMap::new());
    for n in 0..OBJECTS {
        let key = format!("album {}/{n:04} é+.jpg", n % 7);
        let sequencer = 0x0055_AED6_DCD9_0000 + 2 * n as u64;
        if n % 50 == 3 {
            events.push(world.put(&key, crop(n + OBJECTS), sequencer));
        }
        let (content, code) = spoilt(n, crop(n));
        expected.insert(
            key.clone(),
            match code {
                Some(code) => Expected::Code(code),
                None => {
                    let top = model.classify(&content, &Options::default()).unwrap().top;
                    let score = serde_json::to_string(&top.score).unwrap().parse().unwrap();
                    Expected::Label { label: top.label.to_string(), index: top.index, score }
                }
            },
        );
        let created = world.put(&key, content, sequencer + 1);
        if n % 20 == 11 {
            events.push(created.clone());
        }
        events.push(created);
    }
    (events, expected)
}

/// In an order that has nothing to do with the old one, and the same each time.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
}

/// One execution environment: takes batches until the queue has nothing more.
async fn work(queue: &Queue, handler: Handler) {
    while queue.len() > 0 {
        let batch = queue.receive(BATCH);
        if batch.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        let bodies = batch.iter().map(|message| (message.id.as_str(), message.body.clone()));
        let answer = send(&handler, event::messages(bodies)).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap().iter();
        let failed: Vec<String> = failures
            .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
            .collect();
        queue.settle(&batch, &failed);
    }
}

#[test]
fn a_thousand_objects_get_exactly_their_results_while_s3_throttles() {
    let world = World::real();
    let (mut events, expected) = upload(&world);
    assert_eq!((events.len(), expected.len()), (OBJECTS + 50 + 20, OBJECTS));
    shuffle(&mut events);
    let bodies = events.iter().map(|created| created.notification().to_string());
    let queue = Arc::new(Queue::new(bodies, MAX_RECEIVE_COUNT));

    world.server.faults().rate(Fault::SlowDown, 10);
    block_on(async {
        let environments = (0..ENVIRONMENTS).map(|_| {
            let (queue, handler) = (queue.clone(), world.handler());
            tokio::spawn(async move { work(&queue, handler).await })
        });
        for done in join_all(environments.collect::<Vec<_>>()).await {
            done.unwrap();
        }
    });
    world.server.faults().clear();

    assert_eq!((queue.len(), queue.dead()), (0, 0));
    assert!(queue.returned() > 0, "no message failed: the faults did not reach the function");
    block_on(async {
        let mut pages = world.client().list_objects_v2().bucket(RESULTS).into_paginator().send();
        let mut results = 0;
        while let Some(page) = pages.next().await {
            results += page.unwrap().contents().len();
        }
        assert_eq!(results, OBJECTS);
        for (key, expected) in &expected {
            check(key, &world.result_json(key).await, expected);
        }
    });
    println!("{} messages, {} came back", events.len(), queue.returned());
}

fn check(key: &str, result: &Value, expected: &Expected) {
    assert_eq!(result["source"]["bucket"], PICTURES);
    assert_eq!(result["source"]["key"], key);
    match expected {
        Expected::Code(code) => assert_eq!(result["error"]["code"], *code, "{key}: {result}"),
        Expected::Label { label, index, score } => {
            assert_eq!(
                (&result["label"], &result["index"]),
                (&json!(label), &json!(index)),
                "{key}"
            );
            // Alone or beside others, a picture's score differs in its last bits at most.
            assert!((result["score"].as_f64().unwrap() - score).abs() < 1e-4, "{key}: {result}");
        }
    }
}
