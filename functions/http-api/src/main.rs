//! The Lambda function: settings in, parts built, events handed to the Router.

use std::process::ExitCode;
use std::sync::Arc;

use glimpse_api::{ApiConfig, ApiState};
use glimpse_http_api::Function;
use glimpse_start::{Parts, Snapshot};
use lambda_http::service_fn;
use lambda_runtime::Runtime;
use lambda_runtime::layers::TracingLayer;

fn main() -> ExitCode {
    glimpse_start::function(|environment, _| ApiConfig::read(environment), serve)
}

async fn serve(parts: Parts, config: ApiConfig) -> Result<(), lambda_http::Error> {
    let Parts { store, objects, concurrency } = parts;
    let snapshot = Arc::new(Snapshot::new(store.clone(), objects.clone()));
    let state = ApiState::new(store.clone(), objects, config);
    let state = if concurrency == 1 { state.one_request_at_a_time() } else { state };
    let function = Function::new(store, &state);
    let service = service_fn(move |event| {
        let function = function.clone();
        async move { function.answer(event).await }
    });
    let runtime = Runtime::new(service).layer(TracingLayer::new());
    // One after the other, unless the environment asks for more.
    runtime.register_snapstart_resource(snapshot).run_concurrent().await
}
