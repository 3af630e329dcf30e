//! The Lambda function behind S3: settings in, parts built, events handed over.

use std::process::ExitCode;
use std::sync::Arc;

use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use glimpse_s3_events::{EventsConfig, Handler, Invocation, Worker};
use glimpse_start::Snapshot;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;

// This thread talks to S3; pictures are worked on by threads that may block.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let read = |environment: &_, store: &glimpse_model_store::StoreConfig| {
        EventsConfig::read(environment, &store.source)
    };
    glimpse_start::function(read, serve).await
}

async fn serve(store: ModelStore, objects: Objects, config: EventsConfig) -> Result<(), Error> {
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
    runtime.register_snapstart_resource(snapshot).run().await
}
