//! The Router in this process, with a real model or one that is made for a test.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use glimpse_api::{ApiConfig, ApiState, router};
use glimpse_classifier::{Classifier, Options};
use glimpse_model_store::{ModelSource, ModelStore, StoreConfig};
use glimpse_objects::Objects;
use glimpse_tests::workspace;
use http::{Method, Request, header};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::answer::Answer;

/// One runtime for all tests of a binary: a load that one test starts must outlive that test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The default bundle; loaded once a binary.
static STORE: LazyLock<ModelStore> = LazyLock::new(|| store(&workspace::default_bundle()));

/// The default bundle behind the Router.
pub static API: LazyLock<Api> = LazyLock::new(|| Api::new(STORE.clone(), ApiConfig::default()));

/// The API without a socket.
#[derive(Clone)]
pub struct Api(Router);

impl Api {
    /// With the bundle in `folder` and the default limits.
    pub fn folder(folder: &Path) -> Self {
        Self::new(store(folder), ApiConfig::default())
    }

    pub fn new(store: ModelStore, config: ApiConfig) -> Self {
        Self::with_objects(store, Objects::from_env(), config)
    }

    /// With an S3 of its own.
    pub fn with_objects(store: ModelStore, objects: Objects, config: ApiConfig) -> Self {
        Self(router(ApiState::new(store, objects, config)))
    }

    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await;
        Answer::read(response.unwrap_or_else(|never| match never {})).await
    }

    /// The same from a test that is not async.
    pub fn send(&self, request: Request<Body>) -> Answer {
        block_on(self.answer(request))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, None, Vec::new()))
    }

    pub fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(request(Method::POST, path, Some(content_type), body.into()))
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string())
    }

    /// `POST /predict` with the picture as `image_data`.
    pub fn predict(&self, picture: &[u8]) -> Answer {
        self.post_json("/predict", &json!({ "image_data": super::encode::base64(picture) }))
    }
}

/// The default bundle's model itself, past the API.
pub fn model() -> Arc<Classifier> {
    block_on(STORE.get()).unwrap()
}

/// The model of another committed bundle.
pub fn model_at(name: &str) -> Arc<Classifier> {
    block_on(store(&workspace::bundle(name)).get()).unwrap()
}

/// What the API should answer for `picture`, timing apart: the engine asked directly.
pub fn expected(picture: &[u8], top_k: usize) -> Value {
    let model = model();
    let options = Options { top_k, ..Options::default() };
    let prediction = model.classify(picture, &options).unwrap();
    // As text and back: a score is the shortest text of its 32 bits, as in the answer.
    let reread = |text: serde_json::Result<String>| serde_json::from_str(&text.unwrap()).unwrap();
    let mut answer: Value = reread(serde_json::to_string(&prediction.top));
    answer["predictions"] = reread(serde_json::to_string(&prediction.predictions));
    let manifest = model.manifest();
    answer["model"] = json!({ "name": manifest.name, "version": manifest.version });
    answer
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

pub fn request(
    method: Method,
    path: &str,
    content_type: Option<&str>,
    body: Vec<u8>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(Body::from(body)).unwrap()
}

/// A store for the bundle in `folder`, without an S3.
pub fn store(folder: &Path) -> ModelStore {
    ModelStore::new(store_config(folder), Objects::from_env())
}

/// The configuration of a store for the bundle in `folder`, with the library that `make` fetched.
pub fn store_config(folder: &Path) -> StoreConfig {
    let source = ModelSource::Folder(folder.to_owned());
    StoreConfig { ort_library: workspace::ort_library(), ..StoreConfig::new(source) }
}

/// The picture that all sample events hold.
pub fn coffee() -> Vec<u8> {
    std::fs::read(workspace::root().join("events/coffee.jpg")).unwrap()
}

/// *Chelsea the cat* by Stéfan van der Walt, CC0, 192 × 192 pixels, of which no label is certain.
pub fn cat() -> Vec<u8> {
    std::fs::read(workspace::root().join("tests/tests/common/cat.jpg")).unwrap()
}
