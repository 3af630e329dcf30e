//! `GET /metrics`: the metrics of `glimpse-telemetry` in Prometheus's format and naming.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use glimpse_model_store::ModelStore;
use glimpse_telemetry::measure;
use http::{HeaderValue, header};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
    describe_gauge, gauge,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::error::Error;

/// Requests with a body that are waiting or worked on.
pub const IN_FLIGHT: &str = "RequestsInFlight";
/// 1 for the model that is served, by name, version, graph and execution provider.
const MODEL_INFO: &str = "ModelInfo";

/// Milliseconds, from a small model's stage to a load from S3.
const BUCKETS: [f64; 16] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0,
    10000.0,
];
/// How often values that were recorded are put into their buckets, scraped or not.
const UPKEEP: Duration = Duration::from_secs(5);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

/// The recorder that was installed; cloning shares it.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Of the model that is served.
    model: Arc<Mutex<Option<Gauge>>>,
}

impl Metrics {
    /// Record from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the process has a recorder already.
    pub fn install() -> Result<Self, Error> {
        let failed =
            |error: String| Error::system("cannot record metrics")(std::io::Error::other(error));
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&BUCKETS).map_err(|error| failed(error.to_string()))?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let installed = metrics::set_global_recorder(Renaming(recorder));
        installed.map_err(|error| failed(error.to_string()))?;
        measure::describe();
        describe_gauge!(IN_FLIGHT, Unit::Count, "Requests with a body, waiting or worked on");
        describe_gauge!(MODEL_INFO, Unit::Count, "1 for the model that is served");
        gauge!(IN_FLIGHT).set(0.0);
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(UPKEEP);
            loop {
                beat.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle, model: Arc::default() })
    }

    /// `GET /metrics`.
    pub fn routes(&self) -> Router {
        let handle = self.handle.clone();
        let page = async move || ([(header::CONTENT_TYPE, TEXT)], handle.render());
        Router::new().route("/metrics", get(page))
    }

    /// Report which model is served from now on.
    pub fn name_model(&self, store: &ModelStore) {
        let Some(model) = store.ready() else { return };
        let manifest = model.manifest();
        // One at a time: the one before keeps its line, at 0.
        let labels = [
            ("name", manifest.name.clone()),
            ("version", manifest.version.clone()),
            ("graph", model.graph().to_string()),
            ("provider", model.provider().to_owned()),
        ];
        let served = gauge!(MODEL_INFO, &labels);
        let mut before = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before.replace(served.clone()) {
            before.set(0.0);
        }
        served.set(1.0);
    }
}

/// `RequestMs` is `glimpse_request_ms` here, and the counter `Errors` is `glimpse_errors_total`.
struct Renaming(PrometheusRecorder);

fn renamed(name: &str, ending: &str) -> String {
    let mut renamed = "glimpse".to_owned();
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            renamed.push('_');
        }
        renamed.push(character.to_ascii_lowercase());
    }
    if !renamed.ends_with(ending) {
        renamed.push_str(ending);
    }
    renamed
}

fn key(key: &Key, ending: &str) -> Key {
    let label =
        |label: &Label| Label::new(label.key().to_ascii_lowercase(), label.value().to_owned());
    let labels: Vec<Label> = key.labels().map(label).collect();
    Key::from_parts(renamed(key.name(), ending), labels)
}

const TOTAL: &str = "_total";

impl Recorder for Renaming {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_counter(renamed(name.as_str(), TOTAL).into(), unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_gauge(renamed(name.as_str(), "").into(), unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_histogram(renamed(name.as_str(), "").into(), unit, text);
    }

    fn register_counter(&self, name: &Key, about: &Metadata<'_>) -> Counter {
        self.0.register_counter(&key(name, TOTAL), about)
    }

    fn register_gauge(&self, name: &Key, about: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(&key(name, ""), about)
    }

    fn register_histogram(&self, name: &Key, about: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(&key(name, ""), about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus() {
        assert_eq!(renamed("RequestMs", ""), "glimpse_request_ms");
        assert_eq!(renamed("Errors", TOTAL), "glimpse_errors_total");
        let named = key(&Key::from_parts("Errors", vec![Label::new("Code", "internal")]), TOTAL);
        let label = named.labels().next().unwrap();
        assert_eq!((label.key(), label.value()), ("code", "internal"));
    }
}
