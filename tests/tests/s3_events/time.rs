//! The time of an invocation: what it does not hold is reported early, what takes long keeps nobody
//! waiting, and what is given up keeps its memory until it has ended.

use std::time::{Duration, Instant};

use glimpse_budget::Pace;
use glimpse_s3_events::{EventsConfig, Handler, Invocation, Worker};
use image::ImageFormat;
use serde_json::Value;

use crate::common::api::block_on;
use crate::common::encode::{blank_webp, encode, plain};
use crate::common::toy::Graph;
use crate::event::messages;
use crate::world::{RED, RESULTS, World, colour};

/// The honest one comes last.
const KEYS: [&str; 5] = ["dear-1", "dear-2", "dear-3", "dear-4", "honest"];

fn handler(world: &World, config: EventsConfig) -> Handler {
    Handler::new(Worker::new(world.store.clone(), world.objects(), config))
}

fn config() -> EventsConfig {
    EventsConfig::new(RESULTS.to_owned())
}

/// A batch of four pictures of 38 bytes and 49 megapixels, and an honest one.
fn dear_and_honest(world: &World) -> Value {
    let bodies = (1..).zip(KEYS).map(|(sequencer, key)| {
        let content = match key {
            "honest" => colour(RED),
            _ => blank_webp((7000, 7000)),
        };
        (key, world.put(key, content, sequencer).notification().to_string())
    });
    messages(bodies.collect::<Vec<_>>())
}

fn invoke(handler: &Handler, event: Value, time: Duration) -> Vec<String> {
    let answer = block_on(handler.handle(event, &Invocation::new("r", time))).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    let mut failed: Vec<_> =
        failures.map(|one| one["itemIdentifier"].as_str().unwrap().to_owned()).collect();
    failed.sort();
    failed
}

#[test]
fn what_an_invocation_does_not_hold_is_reported_at_once_and_the_rest_is_done() {
    const TIME: Duration = Duration::from_secs(5);
    let world = World::toy();
    block_on(world.store.get()).unwrap();
    let event = dear_and_honest(&world);
    // So little of a processor that each of the dear ones could take longer than the time.
    let pace = Pace::read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]).unwrap();
    let slow = handler(&world, EventsConfig { pace, ..config() });
    let begun = Instant::now();
    assert_eq!(invoke(&slow, event.clone(), TIME), &KEYS[..4]);
    assert!(begun.elapsed() < TIME, "{:?}", begun.elapsed());
    block_on(async {
        assert_eq!(world.result_json("honest").await["label"], "red");
        assert_eq!(world.result("dear-1").await, None);
    });
    // They come again, and one at a time is done in the time that is left of a longer invocation.
    let failed = invoke(&slow, event, Duration::from_secs(300));
    assert!(failed.is_empty(), "{failed:?}");
    assert!(block_on(world.result_json("dear-4"))["label"].is_string());
}

#[test]
fn dear_objects_keep_no_honest_one_waiting() {
    let world = World::toy();
    block_on(world.store.get()).unwrap();
    // A third is for objects: while they are read, two.
    let (max_object_bytes, memory_budget) = (150_000_000, Some(900_000_000));
    let handler = handler(&world, EventsConfig { max_object_bytes, memory_budget, ..config() });
    let failed = invoke(&handler, dear_and_honest(&world), Duration::from_secs(300));
    assert!(failed.is_empty(), "{failed:?}");
    let written = world.server.faults().requests(".json");
    let place = |key: &str| written.iter().position(|line| line.contains(key)).unwrap();
    let later = KEYS.iter().filter(|key| place(key) > place("honest")).count();
    assert!(later >= 3, "{written:?}");
}

#[test]
fn an_object_that_was_given_up_keeps_its_memory_until_its_thread_has_ended() {
    let world = World::with_graph(Graph::SlowIfBright);
    block_on(world.store.get()).unwrap();
    let event =
        |key, content| messages([(key, world.put(key, content, 1).notification().to_string())]);
    let picture = encode(&plain(1000, 1000, [200; 3]), ImageFormat::Png);
    // It needs the same memory, and no run of the model.
    let quick = event("quick", picture[..picture.len() / 2].to_vec());
    let slow = event("slow", picture);
    // Two thirds are for pictures: of these, one or two at a time.
    for (memory_budget, at_once) in [(8_000_000, 1), (80_000_000, 2)] {
        let memory_budget = Some(memory_budget);
        let handler = handler(&world, EventsConfig { memory_budget, ..config() });
        assert_eq!(invoke(&handler, slow.clone(), Duration::from_millis(300)), ["slow"]);
        let failed = invoke(&handler, quick.clone(), Duration::from_secs(1));
        assert_eq!(failed.is_empty(), at_once == 2, "{at_once}: {failed:?}");
        let failed = invoke(&handler, quick.clone(), Duration::from_secs(300));
        assert!(failed.is_empty(), "{at_once}: {failed:?}");
    }
}
