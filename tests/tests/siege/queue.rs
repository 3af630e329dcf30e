//! The S3 events function within the memory of its size: a batch of the worst objects that it accepts,
//! with an honest one among them.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Instant;

use glimpse_budget::{Share, read_within};
use glimpse_classifier::{Limits, Request, Scale, Source};
use glimpse_model_store::{StoreConfig, settings};
use glimpse_tests::cgroup::MemoryGroup;
use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;
use serde_json::{Value, json};

use super::common::api::block_on;
use super::event::{Created, messages};
use super::{TURN, heif, honest, lambda, pictures};

const PICTURES: &str = "pictures";
const RESULTS: &str = "results";
/// As many as are in flight at the same time, of the largest size that is read: together nearly what the
/// least function has for files. The default of 20 MiB would take minutes to write.
const LARGE: usize = 8;
const MAX_OBJECT_BYTES: usize = 4 << 20;
/// Seconds: a batch may take minutes on a machine that does other things.
const PATIENT: u64 = 600;
/// Seconds: a third of what the template takes at least, so that a batch need not be larger.
const TIMEOUT: u64 = 20;
/// More of the dearest images than a part of a processor decodes in that time.
const DEAR: usize = 12;

/// What a function of this size accepts of one image: its limits, and the memory for images.
fn accepted(megabytes: u64) -> (Limits, u64) {
    let megabytes = megabytes.to_string();
    let variables =
        [("GLIMPSE_MODEL_URI", "model"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &*megabytes)];
    let mut memory = 0;
    let all = |share: Share| {
        memory = share.pictures;
        u64::MAX
    };
    read_within(&settings::MAX_IMAGE_PIXELS, &variables, all).unwrap();
    (StoreConfig::read(&variables).unwrap().limits, memory)
}

/// Whether it is, as far as its header says.
fn is_accepted(file: &[u8], (limits, memory): &(Limits, u64)) -> bool {
    let Ok(source) = Source::open(file, Request::default(), limits) else { return false };
    let cost = source.cost(Scale::Full);
    cost.peak_bytes <= (*memory).min(limits.max_decoded_bytes) && cost.time <= limits.max_time
}

/// The worst of each format, the honest one in their middle, and large files.
fn objects(megabytes: u64, modern: &[heif::Blank]) -> Vec<(String, Vec<u8>)> {
    let accepted = accepted(megabytes);
    let modern = modern.iter().map(|blank| (blank.name, &blank.files));
    let files = pictures::SIZES.iter().map(|(name, files)| (*name, files)).chain(modern);
    let largest = |(name, files): (&str, &Vec<Vec<u8>>)| {
        let file = files.iter().find(|file| is_accepted(file, &accepted));
        (name.to_owned(), file.unwrap_or_else(|| panic!("{name}: nothing is accepted")).clone())
    };
    let mut objects: Vec<_> = files.map(largest).collect();
    objects.insert(objects.len() / 2, ("honest".to_owned(), honest()));
    // A larger function has far more room for files.
    let count = if megabytes == lambda::least() { LARGE } else { 0 };
    // Its comments are of 64 KiB each.
    let file = || pictures::jpeg((640, 480), MAX_OBJECT_BYTES - (65 << 10));
    let large = (0..count).map(|number| (format!("large {number}"), file()));
    objects.extend(large);
    objects
}

fn start(group: &MemoryGroup, server: &S3Server, (megabytes, seconds): (u64, u64)) -> Emulator {
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let mut environment = server.environment();
    environment.extend([
        variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes.to_string()),
        variable("AWS_LAMBDA_FUNCTION_TIMEOUT", seconds.to_string()),
        variable("GLIMPSE_MODEL_URI", workspace::default_bundle().display().to_string()),
        variable("GLIMPSE_ORT_LIBRARY", workspace::ort_library().display().to_string()),
        variable("GLIMPSE_RESULTS_BUCKET", RESULTS.to_owned()),
        variable("GLIMPSE_MAX_OBJECT_BYTES", MAX_OBJECT_BYTES.to_string()),
    ]);
    let (before, function) = (group.before(), workspace::s3_events());
    let command: Vec<&Path> = before.iter().chain([&function]).map(|part| &**part).collect();
    Emulator::start(&command, &environment)
}

fn result(server: &S3Server, key: &str) -> Value {
    let key = format!("{PICTURES}/{key}.json");
    let content = block_on(async {
        let object = server.client().get_object().bucket(RESULTS).key(&key).send().await;
        let object = object.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        object.body.collect().await.unwrap().to_vec()
    });
    serde_json::from_slice(&content).unwrap()
}

/// A key and the notification of its object.
type Body = (String, String);

fn put(server: &S3Server, objects: &[(String, Vec<u8>)]) -> Vec<Body> {
    let body = |(sequencer, (key, content)): (u64, &(String, Vec<u8>))| {
        let etag = server.put(PICTURES, key, content.clone());
        let created = Created { bucket: PICTURES.into(), key: key.clone(), etag, sequencer };
        (key.clone(), created.notification().to_string())
    };
    (1..).zip(objects).map(body).collect()
}

/// The messages of some keys.
fn event(bodies: &[Body], is_due: impl Fn(&str) -> bool) -> Value {
    let due = bodies.iter().filter(|(key, _)| is_due(key));
    messages(due.map(|(key, body)| (key.as_str(), body.clone())))
}

#[test]
fn a_batch_of_the_worst_objects_is_classified_at_every_memory_size() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let modern = heif::all("worst HEIC and AVIF in a queue");
    for megabytes in [lambda::least(), lambda::BETWEEN, lambda::DEFAULT] {
        let group = match MemoryGroup::new(&format!("events-{megabytes}"), megabytes << 20) {
            Ok(group) => group,
            Err(reason) => return skip("memory sizes of the events function", &reason),
        };
        let server = S3Server::start(&[PICTURES, RESULTS]);
        let objects = objects(megabytes, &modern);
        let bodies = put(&server, &objects);
        let emulator = start(&group, &server, (megabytes, PATIENT));
        let answer = emulator.invoke(&event(&bodies, |_| true));
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{:?}", emulator.log());
        for (key, _) in &objects {
            let result = result(&server, key);
            assert!(result["label"].is_string(), "{megabytes} MB, {key}: {result}");
        }
        let peak = group.peak().map(|bytes| bytes >> 20);
        println!("{megabytes} MB: {} objects, peak {peak:?} MB", objects.len());
    }
}

/// What Lambda gives a function of the least size: a seventh of a processor.
#[test]
fn a_batch_that_takes_too_long_is_reported_in_time_and_ends_in_another_invocation() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let megabytes = lambda::least();
    let group = match lambda::part_of_a_processor("events", megabytes) {
        Ok(group) => group,
        Err(reason) => return skip("the events function with a part of a processor", &reason),
    };
    let server = S3Server::start(&[PICTURES, RESULTS]);
    let accepted = accepted(megabytes);
    let dearest = pictures::dearest(|file| is_accepted(file, &accepted));
    let mut objects: Vec<_> =
        (0..DEAR).map(|number| (format!("dear {number}"), dearest.to_vec())).collect();
    objects.push(("honest".to_owned(), honest()));
    let bodies = put(&server, &objects);
    let emulator = start(&group, &server, (megabytes, TIMEOUT));
    let mut due: Vec<String> = objects.iter().map(|(key, _)| key.clone()).collect();
    while !due.is_empty() {
        let begun = Instant::now();
        let due_now = event(&bodies, |key| due.iter().any(|one| one == key));
        // The emulator ends an invocation at `TIMEOUT`, and then answers that it did.
        let answer = emulator.invoke_text(&due_now.to_string());
        let took = begun.elapsed();
        let failures = serde_json::from_str::<Value>(&answer).ok();
        let failures = failures.and_then(|answer| answer["batchItemFailures"].as_array().cloned());
        let failures = failures.unwrap_or_else(|| panic!("{answer}: {:?}", emulator.log()));
        let id = |failure: &Value| failure["itemIdentifier"].as_str().unwrap().to_owned();
        let left: Vec<_> = failures.iter().map(id).collect();
        println!("{} of {} left after {took:?}", left.len(), due.len());
        assert!(left.len() < due.len(), "nothing was done: {:?}", emulator.log());
        assert!(!left.iter().any(|key| key == "honest"), "{left:?}");
        due = left;
    }
    for (key, _) in &objects {
        assert!(result(&server, key)["label"].is_string(), "{key}");
    }
}
