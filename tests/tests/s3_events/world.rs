//! Two buckets, a model, and the handler between them.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use glimpse_s3_events::{EventsConfig, Handler, HandlerError, Invocation, Worker};
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::api::store_config;
use crate::common::toy::{self, Graph};
use crate::event::Created;

pub const PICTURES: &str = "pictures";
pub const RESULTS: &str = "results";
/// Objects over this are refused.
pub const MAX_OBJECT_BYTES: usize = 64 << 10;

pub struct World {
    pub server: S3Server,
    pub store: ModelStore,
    client: Client,
    /// Kept for as long as it may be read.
    bundle: Option<TempDir>,
}

impl World {
    /// With a model whose label is the picture's strongest colour.
    pub fn toy() -> Self {
        Self::with_graph(Graph::MeanColour)
    }

    pub fn with_graph(graph: Graph) -> Self {
        Self::with_bundle(toy::bundle(graph))
    }

    pub fn with_bundle(bundle: TempDir) -> Self {
        let mut world = Self::with_model(bundle.path());
        world.bundle = Some(bundle);
        world
    }

    /// With the default bundle.
    pub fn real() -> Self {
        Self::with_model(&workspace::default_bundle())
    }

    pub fn with_model(bundle: &std::path::Path) -> Self {
        let server = S3Server::start(&[PICTURES, RESULTS]);
        let client = impatient(&server);
        let store = ModelStore::new(store_config(bundle), Objects::with_client(client.clone()));
        Self { server, store, client, bundle: None }
    }

    /// A new execution environment.
    pub fn handler(&self) -> Handler {
        self.handler_with(self.store.clone())
    }

    /// One with another model.
    pub fn handler_with(&self, store: ModelStore) -> Handler {
        let config = EventsConfig {
            max_object_bytes: MAX_OBJECT_BYTES,
            ..EventsConfig::new(RESULTS.to_owned())
        };
        Handler::new(Worker::new(store, self.objects(), config))
    }

    /// Its S3.
    pub fn objects(&self) -> Objects {
        Objects::with_client(self.client.clone())
    }

    /// A store for another bundle, over the same S3.
    pub fn store_of(&self, bundle: &std::path::Path) -> ModelStore {
        ModelStore::new(store_config(bundle), self.objects())
    }

    /// Where the toy model is.
    pub fn bundle_path(&self) -> std::path::PathBuf {
        self.bundle.as_ref().unwrap().path().to_owned()
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Put a picture; gives the event of that.
    pub fn put(&self, key: &str, content: Vec<u8>, sequencer: u64) -> Created {
        let etag = self.server.put(PICTURES, key, content);
        Created { bucket: PICTURES.into(), key: key.into(), etag, sequencer }
    }

    pub async fn delete(&self, key: &str) {
        let delete = self.client.delete_object().bucket(PICTURES).key(key);
        delete.send().await.unwrap();
    }

    /// The result object of `key` in the pictures' bucket.
    pub async fn result(&self, key: &str) -> Option<Vec<u8>> {
        let key = format!("{PICTURES}/{key}.json");
        let object = self.client.get_object().bucket(RESULTS).key(key).send().await.ok()?;
        Some(object.body.collect().await.unwrap().to_vec())
    }

    pub async fn result_json(&self, key: &str) -> Value {
        let result = self.result(key).await.unwrap_or_else(|| panic!("no result for {key}"));
        serde_json::from_slice(&result).unwrap()
    }
}

/// One invocation.
pub async fn send(handler: &Handler, event: Value) -> Result<Value, HandlerError> {
    handler.handle(event, &Invocation::new("request-1", Duration::from_secs(300))).await
}

/// A client that tries twice and hardly waits.
fn impatient(server: &S3Server) -> Client {
    let retries =
        RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(5));
    let config = server.client().config().to_builder().retry_config(retries);
    Client::from_conf(config.build())
}

/// A PNG of one colour.
pub fn colour(rgb: [u8; 3]) -> Vec<u8> {
    let picture = RgbImage::from_pixel(32, 32, Rgb(rgb));
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

pub const RED: [u8; 3] = [200, 10, 10];
pub const GREEN: [u8; 3] = [10, 200, 10];
