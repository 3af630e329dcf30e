//! Events that want nothing but a warm function: schedules, warm-up plugins, the console's test.

use glimpse_model_store::ModelStore;
use glimpse_telemetry::emf;
use serde_json::{Map, Value, json};

/// Whether `event` names no work: one of EventBridge's or EventBridge Scheduler's schedule, of
/// `serverless-plugin-warmup` and its kin, the console's hello-world test, or an empty one.
#[must_use]
pub fn is_keep_warm(event: &Value) -> bool {
    event.as_object().is_some_and(|members| {
        is_schedule(members) || is_plugin(members) || is_console_test(members)
    })
}

/// Load the model, and say whether it serves. A load that fails is logged and counted by the store.
pub async fn answer(store: &ModelStore) -> Value {
    let ready = store.get().await.is_ok();
    tracing::info!(ready, "kept warm: the event names no work");
    emf::flush();
    json!({ "message": "the event names no work; the function is warm", "model_ready": ready })
}

fn is_schedule(event: &Map<String, Value>) -> bool {
    let source = event.get("source").and_then(Value::as_str);
    event.get("detail-type").is_some_and(|kind| kind == "Scheduled Event")
        && matches!(source, Some("aws.events" | "aws.scheduler"))
}

/// `serverless-plugin-warmup` names itself; `lambda-warmer` and others set a flag.
fn is_plugin(event: &Map<String, Value>) -> bool {
    let flag = |name| event.get(name).and_then(Value::as_bool) == Some(true);
    event.get("source").is_some_and(|source| source == "serverless-plugin-warmup")
        || flag("warmer")
        || flag("warmup")
}

/// `{"key1": "value1", …}`, some of it, or nothing.
fn is_console_test(event: &Map<String, Value>) -> bool {
    event.iter().all(|(name, value)| {
        let number = name.strip_prefix("key").filter(|number| matches!(*number, "1" | "2" | "3"));
        number.is_some_and(|number| value.as_str().is_some_and(|v| v == format!("value{number}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_functions_warm_is_recognized() {
        let schedule = |source: &str| {
            json!({"version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
                   "detail-type": "Scheduled Event", "source": source, "account": "123456789012",
                   "time": "2026-11-01T12:00:00Z", "region": "eu-west-1", "resources": [],
                   "detail": {}})
        };
        for event in [
            schedule("aws.events"),
            schedule("aws.scheduler"),
            json!({"source": "serverless-plugin-warmup"}),
            json!({"warmer": true, "concurrency": 3}),
            json!({"warmup": true}),
            json!({"key1": "value1", "key2": "value2", "key3": "value3"}),
            json!({"key1": "value1"}),
            json!({}),
        ] {
            assert!(is_keep_warm(&event), "{event}");
        }
    }

    #[test]
    fn other_events_are_not() {
        for event in [
            json!(null),
            json!([]),
            json!("warm"),
            schedule_of_another_kind(),
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
            json!({"hello": "world"}),
            json!({"key1": "value1", "Records": []}),
            json!({"key1": "another"}),
            json!({"warmer": "yes"}),
            json!({"httpMethod": "GET", "path": "/"}),
        ] {
            assert!(!is_keep_warm(&event), "{event}");
        }
    }

    fn schedule_of_another_kind() -> Value {
        json!({"source": "aws.events", "detail-type": "AWS API Call via CloudTrail"})
    }
}
