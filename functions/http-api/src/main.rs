//! The Lambda function: configuration in, parts built, the Router handed to the runtime.

mod event;

use std::process::ExitCode;

use glimpse_api::{ApiConfig, ApiState, router};
use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_telemetry::{emf, lambda, logs};
use lambda_http::tower::ServiceBuilder;

// Pictures are worked on by threads that may block; what is left for this one is waiting, and a
// second thread would only hand requests to and fro.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    glimpse_classifier::prepare_process();
    glimpse_classifier::use_one_heap();
    if let Err(error) = logs::start() {
        return refuse(&error);
    }
    if let Err(error) = emf::start() {
        return refuse(&error);
    }
    let (store, api) = match (StoreConfig::from_env(), ApiConfig::from_env()) {
        (Ok(store), Ok(api)) => (store, api),
        (Err(error), _) => return refuse(&error),
        (_, Err(error)) => return refuse(&error),
    };
    if let Err(error) = lambda::check() {
        return refuse(&error);
    }
    let store = ModelStore::new(store);
    // The load runs while the runtime starts; the first request waits for what is left of it.
    store.warm();
    let router = router(ApiState::new(store, api).one_request_at_a_time());
    let service = ServiceBuilder::new().map_request(event::without_stage).service(router);
    match lambda_http::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&*error),
    }
}

fn refuse(error: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    tracing::error!(error = %error, "the function cannot start");
    ExitCode::FAILURE
}
