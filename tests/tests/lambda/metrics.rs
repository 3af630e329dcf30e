//! The metrics of the HTTP function, read back from its log as CloudWatch does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_tests::emulator::Emulator;
use glimpse_tests::event;
use image::ImageFormat;
use serde_json::Value;

use crate::common::api::cat;
use crate::common::encode::{encode, plain};
use crate::function::{Stack, ok, problem, sample};

/// The lines in the Embedded Metric Format, after so many requests.
fn lines(function: &Emulator, requests: usize) -> Vec<Value> {
    let parsed = function
        .log_with("RequestMs", requests)
        .into_iter()
        .filter_map(|line| serde_json::from_str(&line).ok());
    parsed.filter(|line: &Value| line.get("_aws").is_some()).collect()
}

/// All values of a metric.
fn values(function: &Emulator, name: &str) -> Vec<f64> {
    let lines = lines(function, 3);
    let given = lines.iter().filter_map(|line| line.get(name)).flat_map(|value| match value {
        Value::Array(several) => several.iter().filter_map(Value::as_f64).collect(),
        one => one.as_f64().into_iter().collect::<Vec<_>>(),
    });
    given.collect()
}

#[test]
fn every_request_adds_to_the_metrics_by_one_line() {
    let stack = Stack::new();
    let function = stack.start();
    ok(&function.invoke(&event::predict(&cat())));
    assert_eq!(lines(&function, 1).len(), 1);
    ok(&function.invoke(&event::predict(&cat())));
    problem(&function.invoke(&event::predict(b"no picture")), 415, "unsupported_image_format");

    assert_eq!(values(&function, "ColdStart"), [1.0]);
    assert_eq!(values(&function, "Predictions"), [1.0, 1.0]);
    assert_eq!(values(&function, "Errors"), [1.0]);
    for (name, count) in
        [("ModelLoadMs", 1), ("DecodeMs", 2), ("PreprocessMs", 2), ("InferMs", 2), ("RequestMs", 3)]
    {
        let values = values(&function, name);
        assert_eq!(values.len(), count, "{name}");
        assert!(values.iter().all(|ms| (0.0..600_000.0).contains(ms)), "{name}: {values:?}");
    }
    let first = &lines(&function, 3)[0];
    let directive = &first["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "Glimpse");
    let sets = serde_json::json!([["FunctionName"], ["FunctionName", "FunctionVersion"]]);
    assert_eq!(directive["Dimensions"], sets);
    assert!(first["FunctionName"].is_string() && first["FunctionVersion"].is_string(), "{first}");
    assert!(first["Model"].is_string() && first["RequestId"].is_string(), "{first}");
    let error = lines(&function, 3).into_iter().find(|line| line.get("Errors").is_some()).unwrap();
    assert_eq!(error["Code"], "unsupported_image_format");
}

#[test]
fn more_values_than_a_line_holds_are_all_under_the_id_of_their_request() {
    const PICTURES: usize = 120;
    let stack = Stack::new();
    let limit = (PICTURES + 1).to_string();
    let function = stack.start_with(&[], &[("GLIMPSE_MAX_BATCH", &limit)]);
    ok(&function.invoke(&event::predict(&cat())));
    let dot = STANDARD.encode(encode(&plain(1, 1, [0, 0, 200]), ImageFormat::Png));
    let body = serde_json::json!({ "images": vec![dot; PICTURES] }).to_string();
    ok(&function.invoke(&event::http_api("POST", "/predict", Some("application/json"), &body)));

    let lines = lines(&function, 2);
    let ids: Vec<&Value> = lines.iter().map(|line| &line["RequestId"]).collect();
    assert_eq!(ids.len(), 3, "{lines:?}");
    assert_eq!(ids[1], ids[2]);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn each_picture_of_a_batch_counts_once() {
    let stack = Stack::new();
    let function = stack.start();
    let images = [STANDARD.encode(cat()), STANDARD.encode("no picture"), "no base64!".to_owned()];
    let body = serde_json::json!({ "images": images }).to_string();
    ok(&function.invoke(&event::http_api("POST", "/predict", Some("application/json"), &body)));

    let lines = lines(&function, 1);
    let count = |name: &str| lines.iter().filter_map(|line| line[name].as_f64()).sum::<f64>();
    assert_eq!((count("Predictions"), count("Errors")), (1.0, 2.0), "{lines:?}");
    let mut codes: Vec<&str> = lines.iter().filter_map(|line| line["Code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["invalid_base64", "unsupported_image_format"]);
}

#[test]
fn a_requests_line_in_the_log_names_its_trace() {
    let stack = Stack::new();
    let function = stack.start();
    let event = sample("http-api-v2.json");
    ok(&function.invoke(&event));
    let log = function.log_with(r#""message":"request""#, 1);
    let line = log.iter().find(|line| line.contains(r#""message":"request""#)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace_id"], event["headers"]["x-amzn-trace-id"]);
    assert!(line["trace_id"].is_string(), "{line}");
}
