//! Managed instances: one process works on several events at the same time.

use std::time::Duration;

use futures::future::join_all;
use glimpse_s3_events::{EventsConfig, Handler, Worker};
use glimpse_tests::function::Function;
use glimpse_tests::runtime_api::Start;
use glimpse_tests::s3::Fault;
use glimpse_tests::workspace;
use serde_json::{Value, json};

use crate::common::api::{block_on, coffee, expected};
use crate::event::{Created, messages};
use crate::function::{RESULTS as FUNCTIONS_RESULTS, Stack, place, sample};
use crate::world::{GREEN, MAX_OBJECT_BYTES, RED, RESULTS, World, colour, send};

const EVENTS: usize = 3;
const OBJECTS: usize = 4;
/// More objects than there are.
const ALWAYS: usize = 1000;

#[test]
fn several_events_at_once_leave_each_the_results_of_their_own_objects() {
    let stack = Stack::new();
    // The function has taken as many as it may before it can finish one.
    stack.server.faults().plan("bundle.json", Fault::Delay(Duration::from_secs(2)), 1);
    let (bucket, _) = place(&sample("s3-notification.json"));
    let pictures =
        [colour(RED), coffee(), colour(GREEN), b"no picture".to_vec(), colour([3, 9, 250])];
    let variables = stack.environment(&[]);
    let function = Function::start(&workspace::s3_events(), Start::Managed(3), &variables);
    let put = |(n, picture): (usize, &Vec<u8>)| {
        let key = format!("{n}");
        let etag = stack.server.put(&bucket, &key, picture.clone());
        let created = Created { bucket: bucket.clone(), key, etag, sequencer: 1 };
        function.api.send(&created.notification())
    };
    let ids: Vec<String> = pictures.iter().enumerate().map(put).collect();
    for (n, (id, picture)) in ids.iter().zip(&pictures).enumerate() {
        assert_eq!(function.api.response(id), Value::Null);
        let key = format!("{bucket}/{n}.json");
        let get = stack.server.client().get_object().bucket(FUNCTIONS_RESULTS).key(key);
        let body = block_on(async { get.send().await.unwrap().body.collect().await.unwrap() });
        let result: Value = serde_json::from_slice(&body.to_vec()).unwrap();
        match n {
            3 => assert_eq!(result["error"]["code"], "unsupported_image_format"),
            _ => assert_eq!(result["predictions"], expected(picture, 5)["predictions"]),
        }
    }
    assert_eq!(function.api.most_in_flight(), 3);
    let requests = stack.server.faults().requests("bundle.json");
    assert_eq!(requests.iter().filter(|line| line.starts_with("GET")).count(), 1);
}

/// The most objects that are fetched at the same time while three events with four objects each come at
/// once, with memory for `room` of them.
fn most_fetched(room: u64) -> usize {
    let world = World::toy();
    let config = EventsConfig {
        max_object_bytes: MAX_OBJECT_BYTES,
        // A third is for objects.
        memory_budget: Some(3 * room * MAX_OBJECT_BYTES as u64),
        ..EventsConfig::new(RESULTS.to_owned())
    };
    let handler = Handler::new(Worker::new(world.store.clone(), world.objects(), config));
    world.server.faults().plan(".png", Fault::Delay(Duration::from_millis(300)), ALWAYS);
    let created = |event: usize, n: usize| world.put(&format!("{event}-{n}.png"), colour(RED), 1);
    let event = |event| {
        let bodies = (0..OBJECTS).map(|n| created(event, n).notification().to_string());
        messages(["a", "b", "c", "d"].into_iter().zip(bodies))
    };
    let events: Vec<Value> = (0..EVENTS).map(event).collect();
    let answers = block_on(join_all(events.into_iter().map(|event| send(&handler, event))));
    for answer in answers {
        assert_eq!(answer.unwrap(), json!({ "batchItemFailures": [] }));
    }
    world.server.faults().most_at_once("GET", ".png")
}

#[test]
fn objects_of_all_events_share_the_memory() {
    assert_eq!(most_fetched(2), 2);
    assert!(most_fetched(100) > OBJECTS);
}
