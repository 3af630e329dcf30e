//! The function's binary under the runtime interface emulator, and the sample events for it.

use std::path::PathBuf;

use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::api::coffee;

const MODELS: &str = "models";
const PREFIX: &str = "resnet50/1";
pub const RESULTS: &str = "results";

pub struct Stack {
    pub server: S3Server,
    cache: TempDir,
}

impl Stack {
    /// With the default bundle published, and the cat where the samples say.
    pub fn new() -> Self {
        let (bucket, key) = place(&sample("s3-notification.json"));
        let server = S3Server::start(&[MODELS, RESULTS, &bucket]);
        server.publish(&workspace::default_bundle(), MODELS, PREFIX);
        server.put(&bucket, &key, coffee());
        Self { server, cache: tempfile::tempdir().unwrap() }
    }

    pub fn start(&self) -> Emulator {
        self.start_with(&[])
    }

    /// A new execution environment with further variables.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Emulator {
        Emulator::start(&[&workspace::s3_events()], &self.environment(variables))
    }

    /// The function's variables.
    pub fn environment(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = self.server.environment();
        let cache = self.cache.path().display().to_string();
        let library = workspace::ort_library().display().to_string();
        let model = format!("s3://{MODELS}/{PREFIX}");
        let own = [
            ("GLIMPSE_MODEL_URI", model.as_str()),
            ("GLIMPSE_CACHE_DIR", &cache),
            ("GLIMPSE_ORT_LIBRARY", &library),
            ("GLIMPSE_RESULTS_BUCKET", RESULTS),
        ];
        let all = own.iter().chain(variables);
        environment.extend(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        environment
    }

    /// The result of the object that the samples name.
    pub fn result(&self) -> Option<Value> {
        let (bucket, key) = place(&sample("s3-notification.json"));
        let get = self.server.client().get_object().bucket(RESULTS);
        let get = get.key(format!("{bucket}/{key}.json"));
        crate::common::api::block_on(async {
            let object = get.send().await.ok()?;
            serde_json::from_slice(&object.body.collect().await.unwrap().to_vec()).ok()
        })
    }

    /// Forget that result.
    pub fn forget(&self) {
        let (bucket, key) = place(&sample("s3-notification.json"));
        let delete = self.server.client().delete_object().bucket(RESULTS);
        let delete = delete.key(format!("{bucket}/{key}.json"));
        crate::common::api::block_on(async { delete.send().await.unwrap() });
    }
}

/// Bucket and key of a notification's object.
pub fn place(notification: &Value) -> (String, String) {
    let s3 = &notification["Records"][0]["s3"];
    let key = glimpse_s3_events::decode_key(s3["object"]["key"].as_str().unwrap()).unwrap();
    (s3["bucket"]["name"].as_str().unwrap().to_owned(), key)
}

pub fn sample(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(events().join(name)).unwrap()).unwrap()
}

/// The names of all sample events of S3.
pub fn samples() -> Vec<String> {
    let files = std::fs::read_dir(events()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with("s3-") && name.ends_with(".json")).collect();
    names.sort();
    names
}

fn events() -> PathBuf {
    workspace::root().join("events")
}
