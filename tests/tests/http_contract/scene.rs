//! A bundle in S3, an empty cache, and the API over them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use glimpse_api::ApiConfig;
use glimpse_model_store::{ModelSource, ModelStore, Sha256Digest, StoreConfig};
use glimpse_objects::Objects;
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use tempfile::TempDir;

use crate::common::api::{Api, store_config};

pub const MODELS: &str = "models";
pub const UPLOADS: &str = "uploads";
const PREFIX: &str = "resnet50/1";

pub struct Scene {
    pub server: S3Server,
    pub cache: TempDir,
}

impl Scene {
    /// With the default bundle published.
    pub fn new() -> Self {
        let scene = Self::unpublished();
        scene.publish();
        scene
    }

    pub fn unpublished() -> Self {
        Self { server: S3Server::start(&[MODELS, UPLOADS]), cache: tempfile::tempdir().unwrap() }
    }

    pub fn publish(&self) {
        self.server.publish(&workspace::default_bundle(), MODELS, PREFIX);
    }

    pub fn config(&self) -> StoreConfig {
        let source = ModelSource::S3 { bucket: MODELS.into(), prefix: PREFIX.into() };
        let cache_dir = Some(self.cache.path().into());
        StoreConfig { source, cache_dir, ..store_config(&PathBuf::new()) }
    }

    /// The API as a new process would have it: nothing in memory.
    pub fn start(&self) -> Api {
        self.start_with(self.config())
    }

    pub fn start_with(&self, config: StoreConfig) -> Api {
        self.start_as(config, ApiConfig::default())
    }

    pub fn start_as(&self, config: StoreConfig, api: ApiConfig) -> Api {
        let objects = Objects::with_client(self.server.client());
        Api::with_objects(ModelStore::new(config, objects.clone()), objects, api)
    }

    /// How often a download of the model was begun.
    pub fn model_downloads(&self) -> usize {
        let requests = self.server.faults().requests("model.onnx");
        requests.iter().filter(|line| line.contains("bytes=0-")).count()
    }

    /// The cache's entry, once it is complete.
    pub fn cache_entry(&self) -> PathBuf {
        let deadline = Instant::now() + Duration::from_secs(30);
        let digest = bundle_digest().to_string();
        loop {
            let folders = self.cache.path().read_dir().unwrap().filter_map(Result::ok);
            if let Some(entry) =
                folders.map(|f| f.path().join(&digest)).find(|entry| entry.is_dir())
            {
                return entry;
            }
            assert!(Instant::now() < deadline, "the bundle is not cached");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The SHA-256 of the default bundle's `bundle.json`.
pub fn bundle_digest() -> Sha256Digest {
    Sha256Digest::of(&std::fs::read(workspace::default_bundle().join("bundle.json")).unwrap())
}
