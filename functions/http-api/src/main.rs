//! The Lambda function: settings in, parts built, the Router handed to the runtime.

mod event;

use std::process::ExitCode;

use glimpse_api::{ApiConfig, ApiState, router};
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use lambda_http::tower::ServiceBuilder;

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
    let router = router(ApiState::new(store, objects, config).one_request_at_a_time());
    let service = ServiceBuilder::new().map_request(event::without_stage).service(router);
    lambda_http::run(service).await
}
