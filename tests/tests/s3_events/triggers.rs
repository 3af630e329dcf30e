//! Every sample event through the function's binary: the same result object for all.

use glimpse_tests::function::Function;
use glimpse_tests::runtime_api::{Start, TRACE};
use glimpse_tests::s3::Fault;
use glimpse_tests::workspace;
use serde_json::{Value, json};

use crate::common::api::{coffee, expected};
use crate::function::{Stack, sample, samples};

#[test]
fn every_trigger_leaves_the_engines_answer_in_the_results_bucket() {
    let stack = Stack::new();
    let function = stack.start();
    let mut engine = expected(&coffee(), 5);
    engine.as_object_mut().unwrap().remove("model");
    let names = samples();
    assert_eq!(names.len(), 9, "{names:?}");
    for name in &names {
        stack.forget();
        let answer = function.invoke(&sample(name));
        match name.as_str() {
            queue if queue.contains("in-sqs") => {
                assert_eq!(answer, json!({ "batchItemFailures": [] }));
            }
            batch if batch.starts_with("s3-batch-") => {
                assert_eq!(answer["results"][0]["resultCode"], "Succeeded", "{answer}");
                let event = sample(name);
                assert_eq!(answer["results"][0]["taskId"], event["tasks"][0]["taskId"]);
                assert_eq!(answer["invocationId"], event["invocationId"]);
                assert_eq!(answer["invocationSchemaVersion"], event["invocationSchemaVersion"]);
            }
            _ => assert_eq!(answer, Value::Null, "{name}"),
        }
        let result = stack.result().unwrap_or_else(|| panic!("{name} left no result"));
        for (member, value) in engine.as_object().unwrap() {
            assert_eq!(&result[member], value, "{name}: {member}");
        }
        let unordered = ["s3-batch-", "s3-restored", "s3-through-cloudtrail"];
        let ordered = !unordered.iter().any(|start| name.starts_with(start));
        assert_eq!(result["source"]["sequencer"].is_string(), ordered, "{name}");
    }
}

#[test]
fn a_failure_is_reported_so_lambda_resends_the_event() {
    let stack = Stack::new();
    let function = stack.start();
    stack.server.faults().plan(".jpg", Fault::SlowDown, 1000);
    let answer = function.invoke(&sample("s3-notification.json"));
    assert!(
        answer["errorMessage"].as_str().is_some_and(|text| text.contains("1 of 1")),
        "{answer}"
    );
    let failed = &sample("s3-in-sqs.json")["Records"][0]["messageId"];
    let answer = function.invoke(&sample("s3-in-sqs.json"));
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": failed }] }));
    let answer = function.invoke(&sample("s3-batch-2.0.json"));
    assert_eq!(answer["results"][0]["resultCode"], "TemporaryFailure");
    let answer = function.invoke(&json!({ "hello": "world" }));
    assert!(answer["errorMessage"].as_str().is_some_and(|text| text.contains("unsupported event")));
    assert_eq!(stack.result(), None);
    stack.server.faults().clear();
    assert_eq!(function.invoke(&sample("s3-notification.json")), Value::Null);
    assert!(stack.result().is_some());
    // Keys may be private: whatever happened, no line holds one.
    let log = function.log_with("is to be tried again", 2);
    assert!(!log.iter().any(|line| line.contains("Espresso")), "{log:?}");
}

#[test]
fn events_without_work_are_answered_quietly_and_what_is_left_out_is_logged() {
    let stack = Stack::new();
    let function = stack.start();
    for event in [
        json!({ "detail-type": "Scheduled Event", "source": "aws.events", "detail": {} }),
        json!({ "source": "serverless-plugin-warmup" }),
        json!({ "key1": "value1" }),
    ] {
        let answer = function.invoke(&event);
        assert_eq!(answer["model_ready"], true, "{answer}");
    }
    let mut deleted = sample("s3-notification.json");
    deleted["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    assert_eq!(function.invoke(&deleted), Value::Null);
    let mut read = sample("s3-through-cloudtrail.json");
    read["detail"]["eventName"] = json!("GetObject");
    assert_eq!(function.invoke(&read), Value::Null);
    assert_eq!(stack.result(), None);
    let log = function.log_with("left out: the event names no object to classify", 2);
    for name in ["ObjectRemoved:Delete", "GetObject"] {
        assert!(log.iter().any(|line| line.contains(name)), "{log:?}");
    }
}

#[test]
fn a_trace_goes_on_to_s3_and_into_the_log() {
    let stack = Stack::new();
    let variables = stack.environment(&[]);
    let function = Function::start(&workspace::s3_events(), Start::OnDemand, &variables);
    assert_eq!(function.api.invoke(&sample("s3-notification.json")), Value::Null);
    assert!(stack.result().is_some());
    let root = TRACE.split(';').next().unwrap();
    let traces = stack.server.faults().traces();
    // The object was read and its result written.
    assert!(traces.iter().filter(|trace| trace.contains(root)).count() >= 2, "{traces:?}");
    let log = function.log_with(r#""message":"event""#, 1);
    let line = log.lines().find(|line| line.contains(r#""message":"event""#)).unwrap();
    assert!(line.contains(root), "{line}");
}

#[test]
fn one_bucket_for_pictures_and_results_is_refused_at_the_start() {
    let stack = Stack::new();
    let function = stack.start_with(&[("GLIMPSE_UPLOADS_BUCKET", crate::function::RESULTS)]);
    let answer = function.invoke_text(&sample("s3-notification.json").to_string());
    assert_ne!(answer, "null");
    let _ = function.log_with("expected another bucket than GLIMPSE_UPLOADS_BUCKET", 1);
}
