//! The Lambda function behind S3: configuration in, parts built, events handed over.

use std::process::ExitCode;
use std::sync::Arc;

use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_s3_events::{EventsConfig, Handler, Invocation, Worker};
use glimpse_telemetry::{emf, lambda, logs};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

// This thread talks to S3; pictures are worked on by threads that may block.
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
    let store = match StoreConfig::from_env() {
        Ok(store) => store,
        Err(error) => return refuse(&error),
    };
    let config = match EventsConfig::from_env(&store.source) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = lambda::check() {
        return refuse(&error);
    }
    let store = ModelStore::new(store);
    // The load runs while the runtime starts; the first object waits for what is left of it.
    store.warm();
    let handler = Arc::new(Handler::new(Worker::new(store, config)));
    let service = service_fn(move |event: LambdaEvent<Value>| {
        let handler = handler.clone();
        async move {
            let invocation = Invocation::from(&event.context);
            handler.handle(event.payload, &invocation).await.map_err(lambda_runtime::Error::from)
        }
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&*error),
    }
}

fn refuse(error: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    tracing::error!(error = %error, "the function cannot start");
    ExitCode::FAILURE
}
