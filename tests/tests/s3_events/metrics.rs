//! The metrics of a real function, read back from its log as CloudWatch does.

use std::collections::BTreeMap;

use glimpse_tests::emulator::Emulator;
use serde_json::Value;

use crate::function::{Stack, place, sample};

/// Values by metric under these dimensions, from lines in the Embedded Metric Format; after so many
/// invocations.
fn values(
    function: &Emulator,
    invocations: usize,
    dimensions: &[&str],
) -> BTreeMap<String, Vec<f64>> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in function.log_with("RequestMs", invocations) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            assert_eq!(directive["Namespace"], "Glimpse");
            assert!(
                line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000)
            );
            let sets: Vec<Vec<String>> =
                serde_json::from_value(directive["Dimensions"].clone()).unwrap();
            for set in &sets {
                assert!(set.iter().all(|name| line[name].is_string()), "{line}");
            }
            if !sets.iter().any(|set| set == dimensions) {
                continue;
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                let unit = if name.ends_with("Ms") { "Milliseconds" } else { "Count" };
                assert_eq!(metric["Unit"], unit, "{line}");
                let value = &line[name];
                let several = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let several = several.iter().map(|value| value.as_f64().unwrap());
                values.entry(name.to_owned()).or_default().extend(several);
            }
        }
    }
    values
}

#[test]
fn every_number_is_there_once_for_what_happened() {
    let stack = Stack::new();
    let function = stack.start();
    let _ = function.invoke(&sample("s3-notification.json"));
    let mut corrupt = sample("s3-notification.json");
    let (bucket, _) = place(&corrupt);
    let etag = stack.server.put(&bucket, "text.jpg", b"no picture".to_vec());
    corrupt["Records"][0]["s3"]["object"]["key"] = "text.jpg".into();
    corrupt["Records"][0]["s3"]["object"]["eTag"] = etag.into();
    let _ = function.invoke(&corrupt);

    let all = values(&function, 2, &["FunctionName"]);
    let sum = |name: &str| all.get(name).map_or(0.0, |values| values.iter().sum());
    let count = |name: &str| all.get(name).map_or(0, Vec::len);
    assert_eq!((sum("ColdStart"), sum("Predictions"), sum("Errors")), (1.0, 1.0, 1.0), "{all:?}");
    for (name, times) in
        [("ModelLoadMs", 1), ("DecodeMs", 1), ("PreprocessMs", 1), ("InferMs", 1), ("RequestMs", 2)]
    {
        assert_eq!(count(name), times, "{name}: {all:?}");
        assert!(all[name].iter().all(|ms| (0.0..600_000.0).contains(ms)), "{name}: {all:?}");
    }
    assert!(!all.contains_key("ModelLoadFailures"));
    let by_code = values(&function, 2, &["FunctionName", "Code"]);
    assert_eq!(by_code.keys().collect::<Vec<_>>(), ["Errors"]);
    let code = |line: &String| line.contains("_aws") && line.contains("unsupported_image_format");
    assert!(function.log().iter().any(code));
    let versions = values(&function, 2, &["FunctionName", "FunctionVersion"]);
    assert_eq!(versions, all);
}

#[test]
fn a_model_that_cannot_be_loaded_is_counted() {
    let stack = Stack::new();
    let function = stack.start_with(&[("GLIMPSE_MODEL_SHA256", &"0".repeat(64))]);
    let _ = function.invoke(&sample("s3-notification.json"));
    let all = values(&function, 1, &["FunctionName"]);
    let failures: f64 = all["ModelLoadFailures"].iter().sum();
    assert!(failures >= 1.0, "{all:?}");
    assert!(!all.contains_key("Predictions"), "{all:?}");
}
