//! A bucket that was full before Glimpse came, a results bucket, and the function between them.

use aws_sdk_s3::Client;
use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use image::ImageFormat;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::encode::{encode, plain};
use crate::common::toy;

pub const PICTURES: &str = "pictures";
pub const RESULTS: &str = "results";
const MODELS: &str = "models";

/// Everything that a job needs. The model tells the strongest colour.
pub struct Stack {
    pub server: S3Server,
    client: Client,
    runtime: Runtime,
    cache: TempDir,
    model: String,
}

impl Stack {
    pub fn new() -> Self {
        let server = S3Server::start(&[PICTURES, RESULTS, MODELS]);
        let bundle = toy::bundle(toy::Graph::MeanColour);
        let model = server.publish(bundle.path(), MODELS, "toy/1");
        let client = server.client();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, client, runtime, cache: tempfile::tempdir().unwrap(), model }
    }

    /// A new execution environment.
    pub fn start(&self) -> Emulator {
        let mut environment = self.server.environment();
        for (name, value) in [
            ("GLIMPSE_MODEL_URI", self.model.clone()),
            ("GLIMPSE_CACHE_DIR", self.cache.path().display().to_string()),
            ("GLIMPSE_ORT_LIBRARY", workspace::ort_library().display().to_string()),
            ("GLIMPSE_RESULTS_BUCKET", RESULTS.to_owned()),
        ] {
            environment.push((name.to_owned(), value));
        }
        Emulator::start(&[&workspace::s3_events()], &environment)
    }

    /// Put a picture of one colour.
    pub fn put_colour(&self, key: &str, colour: [u8; 3]) {
        self.put(key, encode(&plain(20, 16, colour), ImageFormat::Png));
    }

    pub fn put(&self, key: &str, content: Vec<u8>) {
        self.server.put(PICTURES, key, content);
    }

    pub fn delete(&self, key: &str) {
        let delete = self.client.delete_object().bucket(PICTURES).key(key).send();
        self.runtime.block_on(delete).expect("the object is deleted");
    }

    /// The keys of a bucket, sorted.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let listing = self.client.list_objects_v2().bucket(bucket).send();
        let listing = self.runtime.block_on(listing).expect("the bucket is listed");
        let mut keys: Vec<String> = listing
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .map(str::to_owned)
            .collect();
        keys.sort();
        keys
    }

    /// The bytes of an object.
    #[track_caller]
    pub fn read(&self, bucket: &str, key: &str) -> Vec<u8> {
        let get = self.client.get_object().bucket(bucket).key(key).send();
        let Ok(object) = self.runtime.block_on(get) else { panic!("there is no {bucket}/{key}") };
        let content = self.runtime.block_on(object.body.collect()).expect("the object is read");
        content.into_bytes().to_vec()
    }

    /// The bytes of the result of a picture's key.
    #[track_caller]
    pub fn result_bytes(&self, key: &str) -> Vec<u8> {
        self.read(RESULTS, &format!("{PICTURES}/{key}.json"))
    }

    /// The result of a picture's key.
    #[track_caller]
    pub fn result(&self, key: &str) -> Value {
        serde_json::from_slice(&self.result_bytes(key)).expect("a result is JSON")
    }
}
