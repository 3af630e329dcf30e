//! The Lambda function behind S3: settings in, parts built, events handed over.

use std::process::ExitCode;
use std::sync::Arc;

use glimpse_model_store::StoreConfig;
use glimpse_s3_events::{EventsConfig, Handler, Invocation, Worker};
use glimpse_start::{Parts, Snapshot};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;

fn main() -> ExitCode {
    let read =
        |environment: &_, store: &StoreConfig| EventsConfig::read(environment, &store.source);
    glimpse_start::function(read, serve)
}

async fn serve(parts: Parts, config: EventsConfig) -> Result<(), Error> {
    let Parts { store, objects, .. } = parts;
    let snapshot = Arc::new(Snapshot::new(store.clone(), objects.clone()));
    let handler = Arc::new(Handler::new(Worker::new(store, objects, config)));
    let service = service_fn(move |event: LambdaEvent<Value>| {
        let handler = handler.clone();
        async move {
            let invocation = Invocation::from(&event.context);
            handler.handle(event.payload, &invocation).await.map_err(Error::from)
        }
    });
    let runtime = Runtime::new(service).layer(TracingLayer::new());
    // One after the other, unless the environment asks for more.
    runtime.register_snapstart_resource(snapshot).run_concurrent().await
}
