//! Metrics as log lines in CloudWatch's Embedded Metric Format.
//!
//! CloudWatch turns such lines into metrics without a call from the function. The line itself is
//! written by `metrics_cloudwatch_embedded`, which knows one set of dimensions; here it gets the
//! sets that alarms need, which name a function but cannot know its next version.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use glimpse_settings::Strings;
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde_json::{Value, json};

use crate::measure;

const NAMESPACE: &str = "Glimpse";
const FUNCTION: &str = "FunctionName";
const VERSION: &str = "FunctionVersion";
/// The format allows 100 values of a metric in a line; what other threads add meanwhile finds room.
const VALUES_IN_A_LINE: usize = 80;

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();
/// Whether a line may hold values of several requests.
static SHARED: AtomicBool = AtomicBool::new(false);
static VALUES: AtomicUsize = AtomicUsize::new(0);

/// Metrics cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be written: {0}")]
pub struct EmfError(String);

/// Write metrics for the Lambda function that the environment names; `shared` where it answers several
/// requests at the same time.
///
/// # Errors
/// When the process has a recorder already.
pub fn start(environment: &impl Strings, shared: bool) -> Result<(), EmfError> {
    let variable = |name, default: &str| {
        let value = environment.value(name).and_then(|value| value.into_string().ok());
        value.unwrap_or_else(|| default.to_owned())
    };
    let collector = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension(FUNCTION, variable("AWS_LAMBDA_FUNCTION_NAME", "glimpse"))
        .with_dimension(VERSION, variable("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"))
        .init()
        .map_err(|error| EmfError(error.to_string()))?;
    measure::describe();
    measure::after_prediction(make_room);
    SHARED.store(shared, Ordering::Relaxed);
    let _ = COLLECTOR.set(collector);
    Ok(())
}

/// Name the model in every line to come, as a property that Logs Insights finds.
pub fn name_model(name: &str, version: &str) {
    if let Some(collector) = COLLECTOR.get() {
        collector.set_property("Model", name.to_owned());
        collector.set_property("ModelVersion", version.to_owned());
    }
}

/// Name the request that what is measured from now on belongs to: before its first measure. Lines that
/// several requests share name none.
pub fn name_request(request_id: &str) {
    if SHARED.load(Ordering::Relaxed) {
        return;
    }
    if let Some(collector) = COLLECTOR.get() {
        collector.set_property("RequestId", request_id.to_owned());
    }
}

/// Write what was measured since the last time; nothing where [`start`] was not called.
pub fn flush() {
    if let Some(collector) = COLLECTOR.get() {
        write(collector);
    }
}

/// Write early where a line holds no more values.
fn make_room() {
    let Some(collector) = COLLECTOR.get() else { return };
    if VALUES.fetch_add(1, Ordering::Relaxed) + 1 >= VALUES_IN_A_LINE {
        write(collector);
    }
}

fn write(collector: &Collector) {
    VALUES.store(0, Ordering::Relaxed);
    let mut lines = Vec::new();
    let written = collector.flush(&mut lines).and_then(|()| {
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let text: Vec<u8> = lines.flat_map(with_dimensions).collect();
        std::io::stdout().lock().write_all(&text)
    });
    if let Err(error) = written {
        tracing::warn!(%error, "metrics cannot be written");
    }
}

/// The line with one set of dimensions each for the function, its version and its labels.
fn with_dimensions(line: &[u8]) -> Vec<u8> {
    let mut text = match serde_json::from_slice::<Value>(line) {
        Ok(mut value) => {
            if let Some(sets) = value.pointer_mut("/_aws/CloudWatchMetrics/0/Dimensions") {
                *sets = sets_of(sets);
            }
            value.to_string().into_bytes()
        }
        Err(_) => line.to_vec(),
    };
    text.push(b'\n');
    text
}

fn sets_of(sets: &Value) -> Value {
    let all = sets[0].as_array().into_iter().flatten();
    let labels: Vec<&Value> = all.filter(|name| *name != FUNCTION && *name != VERSION).collect();
    let mut sets = vec![json!([FUNCTION]), json!([FUNCTION, VERSION])];
    if !labels.is_empty() {
        let mut named = vec![json!(FUNCTION)];
        named.extend(labels.into_iter().cloned());
        sets.push(Value::Array(named));
    }
    Value::Array(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_counted_for_the_function_as_well_as_by_itself() {
        let plain = sets_of(&json!([[FUNCTION, VERSION]]));
        assert_eq!(plain, json!([["FunctionName"], ["FunctionName", "FunctionVersion"]]));
        let labelled = sets_of(&json!([[FUNCTION, VERSION, "Code"]]));
        assert_eq!(
            labelled,
            json!([
                ["FunctionName"],
                ["FunctionName", "FunctionVersion"],
                ["FunctionName", "Code"]
            ])
        );
    }
}
