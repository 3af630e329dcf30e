//! The API's Router in a server of your own, with a route of your own beside it.
//!
//! ```sh
//! export GLIMPSE_MODEL_URI=models/default
//! export GLIMPSE_ORT_LIBRARY=target/onnxruntime/$(uname -m)/libonnxruntime.so
//! cargo run --release --example own_server -- 127.0.0.1:8080
//! curl -H 'content-type: image/png' --data-binary @target/pictures/coffee.png http://127.0.0.1:8080/predict
//! curl http://127.0.0.1:8080/about
//! ```

use std::error::Error;

use axum::routing::get;
use glimpse_api::{ApiConfig, ApiState, router};
use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_objects::Objects;
use glimpse_settings::Environment;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before the first allocation that matters: what suits a process that decodes large images.
    glimpse_start::process::prepare();
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    // The variables that docs/configuration.md lists. A mistake ends the start with its name.
    let objects = Objects::from_env();
    let store = ModelStore::new(StoreConfig::read(&Environment)?, objects.clone());
    let config = ApiConfig::read(&Environment)?;

    store.warm(); // load the model now, not at the first request
    let app = router(ApiState::new(store, objects, config))
        .route("/about", get(async || "cats and dogs, by Glimpse\n"));

    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
