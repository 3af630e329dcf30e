//! The Lambda function: settings in, parts built, events handed to the Router.

use std::process::ExitCode;
use std::sync::Arc;

use glimpse_api::{ApiConfig, ApiState};
use glimpse_http_api::Function;
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use glimpse_start::Snapshot;
use lambda_http::service_fn;
use lambda_runtime::Runtime;
use lambda_runtime::layers::TracingLayer;

// Pictures are worked on by threads that may block; what is left for this one is waiting, and a
// second thread would only pass requests back and forth.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    glimpse_start::function(|environment, _| ApiConfig::read(environment), serve).await
}

async fn serve(
    store: ModelStore,
    objects: Objects,
    config: ApiConfig,
) -> Result<(), lambda_http::Error> {
    let snapshot = Arc::new(Snapshot::new(store.clone(), objects.clone()));
    let state = ApiState::new(store.clone(), objects, config).one_request_at_a_time();
    let function = Function::new(store, &state);
    let service = service_fn(move |event| {
        let function = function.clone();
        async move { function.answer(event).await }
    });
    let runtime = Runtime::new(service).layer(TracingLayer::new());
    runtime.register_snapstart_resource(snapshot).run().await
}
