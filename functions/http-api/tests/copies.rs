//! How often a request's body is in memory at a time: with a large one, this is the function's peak.
//!
//! A binary of its own, because it measures what the whole process allocates.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use glimpse_api::{ApiConfig, ApiState};
use glimpse_http_api::{Event, Function};
use glimpse_model_store::{ModelSource, ModelStore, StoreConfig};
use glimpse_objects::Objects;
use lambda_http::{Context, LambdaEvent};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// As large as Lambda takes it.
const BASE64: usize = 5 << 20;

/// The request goes as far as to where the model is needed, which there is not.
fn function() -> Function {
    let source = ModelSource::Folder(PathBuf::from("/nothing/here"));
    let (store, objects) = (StoreConfig::new(source), Objects::from_env());
    let store = ModelStore::new(store, objects.clone());
    let state = ApiState::new(store.clone(), objects, ApiConfig::default());
    Function::new(store, &state.one_request_at_a_time())
}

/// A sample event with another body; `first` comes first, as in what the service sends.
fn event(sample: &str, first: &str, body: &str) -> Vec<u8> {
    let mut event: Value = serde_json::from_str(sample).unwrap();
    let members = event.as_object_mut().unwrap();
    members.insert("body".to_owned(), json!(body));
    let value = members.remove(first).unwrap();
    let rest = event.to_string();
    format!("{{\"{first}\":{value},{}", &rest[1..]).into_bytes()
}

/// The most that is allocated from the event's bytes to the answer, by the length of the event.
async fn copies(function: &Function, event: Vec<u8>) -> f64 {
    let length = event.len();
    let before = ALLOCATED.current_usage() - length;
    ALLOCATED.reset_peak_usage();
    let payload: Event = serde_json::from_slice(&event).unwrap();
    // As the runtime does before it calls the function.
    drop(event);
    let answer = function.clone().answer(LambdaEvent::new(payload, Context::default())).await;
    let answer = serde_json::to_string(&answer.unwrap()).unwrap();
    assert!(answer.contains("model_unavailable"), "{answer}");
    (ALLOCATED.peak_usage() - before) as f64 / length as f64
}

#[tokio::test]
async fn a_large_body_is_not_copied_more_often_than_reading_it_takes() {
    let function = function();
    let base64 = "/9j/".repeat(BASE64 / 4);
    let json = json!({ "image_data": base64 }).to_string();
    let http_api = include_str!("../../../events/http-api-v2.json");
    let rest_api = include_str!("../../../events/rest-api-v1.json");
    let raw = include_str!("../../../events/http-api-v2-raw.json");
    let cases = [
        // A string with escapes is put together beside the event in a buffer that doubles, then copied.
        ("HTTP API, JSON", event(http_api, "version", &json), 4.1),
        ("REST API, JSON", event(rest_api, "resource", &json), 4.1),
        // One without is copied from the event, and decoded.
        ("HTTP API, the picture's bytes", event(raw, "version", &base64), 2.1),
    ];
    drop((base64, json));
    for (name, event, most) in cases {
        let found = copies(&function, event).await;
        assert!(found < most, "{name}: {found:.2} times the event, expected less than {most}");
    }
}
