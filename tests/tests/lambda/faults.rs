//! Faults of S3 and of the cache, seen by the function's caller.

use std::process::Command;

use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::Fault;
use glimpse_tests::{event, workspace};
use serde_json::json;

use crate::common::answer::without_timing;
use crate::common::api::{cat, expected};
use crate::function::{BUCKET, Stack, ok, problem};

const ALWAYS: usize = 10_000;

#[track_caller]
fn unavailable(function: &Emulator) {
    let response = function.invoke(&event::predict(&cat()));
    let problem = problem(&response, 503, "model_unavailable");
    assert!(problem["request_id"].is_string());
    let retry: u32 = response["headers"]["retry-after"].as_str().unwrap().parse().unwrap();
    assert!(retry >= 1);
}

#[track_caller]
fn right(function: &Emulator) {
    let answer = ok(&function.invoke(&event::predict(&cat())));
    assert_eq!(without_timing(answer), expected(&cat(), 5));
}

#[test]
fn s3_out_of_reach_at_the_cold_start_is_model_unavailable_and_the_next_request_succeeds() {
    let stack = Stack::new();
    stack.server.faults().plan("", Fault::SlowDown, ALWAYS);
    let function = stack.start();
    unavailable(&function);
    stack.server.faults().clear();
    right(&function);
    // Once loaded, S3 is not needed any more.
    stack.server.faults().plan("", Fault::SlowDown, ALWAYS);
    right(&function);
}

#[test]
fn a_missing_bundle_is_model_unavailable_until_it_is_published() {
    let stack = Stack::unpublished();
    let function = stack.start();
    unavailable(&function);
    stack.publish();
    right(&function);
}

#[test]
fn a_wrong_byte_and_a_broken_connection_are_never_served() {
    let stack = Stack::new();
    stack.server.faults().plan("model.onnx", Fault::FlipBit, ALWAYS);
    let function = stack.start();
    unavailable(&function);
    stack.server.faults().clear();
    stack.server.faults().plan("model.onnx", Fault::Truncate(1000), ALWAYS);
    unavailable(&function);
    stack.server.faults().clear();
    right(&function);
}

#[test]
fn a_wrong_pin_is_model_unavailable() {
    let stack = Stack::new();
    let pin = "0".repeat(64);
    let function = stack.start_with(&[], &[("GLIMPSE_MODEL_SHA256", &pin)]);
    unavailable(&function);
    unavailable(&function);
}

#[test]
fn a_missing_onnx_runtime_is_model_unavailable_and_no_path_leaks() {
    let stack = Stack::new();
    let function = stack.start_with(&[], &[("GLIMPSE_ORT_LIBRARY", "/opt/lib/absent.so")]);
    unavailable(&function);
    let text = "the model cannot be loaded";
    let log = function.log_with(text, 1);
    let told: Vec<_> = log.iter().filter(|line| line.contains(text)).collect();
    // The store, which knows why, tells it once a load; a request that waited does not repeat it.
    let by_the_store = |line: &&String| line.contains(r#""target":"glimpse_model_store"#);
    assert!(told.iter().all(by_the_store), "{told:?}");
}

#[test]
fn a_load_is_logged_with_a_number_for_each_stage() {
    let stack = Stack::new();
    let function = stack.start();
    right(&function);
    let text = "the model is loaded";
    let log = function.log_with(text, 1);
    let line = log.iter().find(|line| line.contains(text)).expect("a line");
    let fields: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(fields["source"], "s3");
    for stage in ["open_library_ms", "fetch_ms", "verify_ms", "session_ms", "total_ms"] {
        assert!(fields[stage].as_f64().is_some_and(|ms| ms >= 0.0), "{stage}: {line}");
    }
}

#[test]
fn an_error_is_logged_under_the_request_id_of_the_answer() {
    let stack = Stack::new();
    let function = stack.start_with(&[], &[("GLIMPSE_S3_BUCKETS", BUCKET)]);
    stack.server.faults().plan("cat.jpg", Fault::SlowDown, ALWAYS);
    let body = json!({ "s3": { "bucket": BUCKET, "key": "cat.jpg" } }).to_string();
    let request = event::http_api("POST", "/predict", Some("application/json"), &body);
    let id = problem(&function.invoke(&request), 503, "object_unavailable")["request_id"].clone();
    let log = function.log_with("an object cannot be read", 1);
    let line = log.iter().find(|line| line.contains("an object cannot be read")).unwrap();
    let fields: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(fields["span"]["request_id"], id, "{line}");
}

/// An environment's successor finds the cache as the first one, or a bad disk, left it.
#[test]
fn a_corrupt_cache_file_is_fetched_again() {
    let stack = Stack::new();
    let first = stack.start();
    right(&first);
    let model = cached_model(&stack);
    drop(first);
    let mut content = std::fs::read(&model).unwrap();
    content[100] ^= 1;
    std::fs::write(&model, &content).unwrap();
    right(&stack.start());
    let gets = stack.server.faults().requests("model.onnx");
    let begun = gets.iter().filter(|line| line.contains("bytes=0-")).count();
    assert_eq!(begun, 2, "{gets:?}");
}

/// The cached `model.onnx`, once its entry is complete.
fn cached_model(stack: &Stack) -> std::path::PathBuf {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let entries = walk(stack.cache.path(), 2);
        let complete = |path: &std::path::PathBuf| !path.display().to_string().contains(".writing");
        let models = entries.into_iter().map(|entry| entry.join("model.onnx"));
        if let Some(model) = models.filter(|model| model.is_file()).find(complete) {
            return model;
        }
        assert!(std::time::Instant::now() < deadline, "the bundle is not cached");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Folders `depth` levels below `folder`.
fn walk(folder: &std::path::Path, depth: usize) -> Vec<std::path::PathBuf> {
    if depth == 0 {
        return vec![folder.to_owned()];
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.flat_map(|folder| walk(&folder, depth - 1)).collect()
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    for binary in [workspace::this_profiles_bootstrap(), workspace::s3_events()] {
        let mut command = Command::new(binary);
        command.env_clear().env("GLIMPSE_MODEL_URI", "s3://models/resnet50/1");
        let done = command.env("GLIMPSE_RESULTS_BUCKET", "results").output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        let [out, err] = [done.stdout, done.stderr].map(|of| String::from_utf8(of).unwrap());
        assert!(out.contains("AWS_LAMBDA_RUNTIME_API is not set: AWS Lambda starts this"), "{out}");
        assert_eq!(err, "");
    }
}
