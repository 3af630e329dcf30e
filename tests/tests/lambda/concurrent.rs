//! Managed instances: a function that gets several invocations at the same time.

use std::time::Duration;

use glimpse_classifier::Request;
use glimpse_tests::function::Function;
use glimpse_tests::runtime_api::Start;
use glimpse_tests::s3::Fault;
use glimpse_tests::{event, workspace};
use image::ImageFormat;
use serde_json::Value;

use crate::common::answer::without_timing;
use crate::common::api::{cat, coffee, expected, model};
use crate::common::encode::{FORMATS, encode, plain};
use crate::function::{Stack, ok, problem};

const CONCURRENCY: u32 = 4;

fn start(stack: &Stack, more: &[(&str, &str)]) -> Function {
    let bootstrap = workspace::this_profiles_bootstrap();
    Function::start(&bootstrap, Start::Managed(CONCURRENCY), &stack.environment(more))
}

/// Send all at once; gives the responses with the ids of their invocations.
fn invoke_all(function: &Function, pictures: &[Vec<u8>]) -> Vec<(String, Value)> {
    let send = |picture: &Vec<u8>| function.api.send(&event::predict(picture));
    let ids: Vec<String> = pictures.iter().map(send).collect();
    let response = |id: String| (id.clone(), function.api.response(&id));
    ids.into_iter().map(response).collect()
}

fn loads(stack: &Stack) -> usize {
    let requests = stack.server.faults().requests("bundle.json");
    requests.iter().filter(|line| line.starts_with("GET")).count()
}

/// The lines of the metrics in a log.
fn metrics(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines.filter(|line: &Value| line.get("_aws").is_some()).collect()
}

#[test]
fn several_invocations_at_once_are_answered_each_rightly_by_one_engine() {
    let stack = Stack::new();
    // The function has taken as many as it may before it can answer one.
    stack.server.faults().plan("bundle.json", Fault::Delay(Duration::from_secs(2)), 1);
    let function = start(&stack, &[]);
    let colour = plain(40, 30, [30, 120, 200]);
    let mut pictures = vec![cat(), coffee()];
    pictures.extend(FORMATS.iter().map(|(_, format)| encode(&colour, *format)));
    pictures.push(encode(&plain(300, 90, [250, 10, 30]), ImageFormat::Png));
    let responses = invoke_all(&function, &pictures);
    for (picture, (id, response)) in pictures.iter().zip(&responses) {
        assert_eq!(without_timing(ok(response)), expected(picture, 5));
        assert_eq!(response["headers"]["x-request-id"], id.as_str());
    }
    assert_eq!(function.api.most_in_flight(), CONCURRENCY as usize);
    assert_eq!(loads(&stack), 1);

    let lines = metrics(&function.log_with("RequestMs", 1));
    let count = |name: &str| lines.iter().filter_map(|line| line[name].as_f64()).sum::<f64>();
    assert_eq!((count("Predictions"), count("ColdStart")), (pictures.len() as f64, 1.0));
    assert_eq!(lines.iter().filter(|line| line.get("ModelLoadMs").is_some()).count(), 1);
    // A line may have values of several requests.
    assert!(lines.iter().all(|line| line.get("RequestId").is_none()), "{lines:?}");
}

#[test]
fn a_bad_picture_among_good_ones_fails_alone() {
    let stack = Stack::new();
    let function = start(&stack, &[]);
    let pictures = [cat(), b"no picture".to_vec(), coffee(), cat()[..2000].to_vec()];
    let responses = invoke_all(&function, &pictures);
    assert_eq!(without_timing(ok(&responses[0].1)), expected(&pictures[0], 5));
    problem(&responses[1].1, 415, "unsupported_image_format");
    assert_eq!(without_timing(ok(&responses[2].1)), expected(&pictures[2], 5));
    problem(&responses[3].1, 422, "corrupt_image");
}

/// Of pictures that fill it, one is decoded after the other.
#[test]
fn invocations_share_the_memory_budget() {
    let large = encode(&plain(4000, 4000, [90, 30, 200]), ImageFormat::WebP);
    let (_, cost) = model().announced(&large, Request::default()).unwrap();
    // Two thirds are for pictures.
    let budget = (cost.peak_bytes / 4 * 9).to_string();
    let stack = Stack::new();
    let function = start(&stack, &[("GLIMPSE_MEMORY_BUDGET", &budget)]);
    let one = invoke_all(&function, std::slice::from_ref(&large));
    let first = without_timing(ok(&one[0].1));
    let peak = function.peak();
    for (_, response) in invoke_all(&function, &vec![large; CONCURRENCY as usize]) {
        assert_eq!(without_timing(ok(&response)), first);
    }
    assert!(function.peak() < peak + cost.peak_bytes / 2, "{peak} {}", function.peak());
}

#[test]
fn an_invocation_whose_time_is_nearly_up_is_answered() {
    let stack = Stack::new();
    stack.server.faults().plan("bundle.json", Fault::Delay(Duration::from_secs(4)), 1);
    let function = start(&stack, &[]);
    function.api.allow(Duration::from_millis(2500));
    problem(&function.api.invoke(&event::predict(&cat())), 503, "timed_out");
    // The load goes on for the next one.
    function.api.allow(Duration::from_secs(60));
    ok(&function.api.invoke(&event::predict(&cat())));
    assert_eq!(loads(&stack), 1);
}
