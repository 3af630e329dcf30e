//! One function with its S3 server and cache, as a stack has them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use serde_json::Value;
use tempfile::TempDir;

pub const BUCKET: &str = "models";
pub const PREFIX: &str = "resnet50/1";

/// What the function's environments share: the objects in S3, and a cache folder.
pub struct Stack {
    pub server: S3Server,
    pub cache: TempDir,
}

impl Stack {
    /// With the default bundle published.
    pub fn new() -> Self {
        let stack = Self::unpublished();
        stack.publish();
        stack
    }

    pub fn unpublished() -> Self {
        Self { server: S3Server::start(&[BUCKET]), cache: tempfile::tempdir().unwrap() }
    }

    pub fn publish(&self) {
        self.server.publish(&workspace::default_bundle(), BUCKET, PREFIX);
    }

    /// A new execution environment.
    pub fn start(&self) -> Emulator {
        self.start_with(&[], &[])
    }

    /// The same with a command before the function's, and further variables.
    pub fn start_with(&self, before: &[&str], variables: &[(&str, &str)]) -> Emulator {
        let bootstrap = workspace::this_profiles_bootstrap();
        let mut command: Vec<&Path> = before.iter().map(Path::new).collect();
        command.push(&bootstrap);
        Emulator::start(&command, &self.environment(variables))
    }

    /// What the template sets, and further variables.
    pub fn environment(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = self.server.environment();
        let cache = self.cache.path().display().to_string();
        let library = workspace::ort_library().display().to_string();
        let uri = format!("s3://{BUCKET}/{PREFIX}");
        for (name, value) in [
            ("GLIMPSE_MODEL_URI", uri.as_str()),
            ("GLIMPSE_CACHE_DIR", &cache),
            ("GLIMPSE_ORT_LIBRARY", &library),
        ]
        .iter()
        .chain(variables)
        {
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        environment
    }
}

/// A sample event of the folder `events/`.
pub fn sample(name: &str) -> Value {
    let file = std::fs::read(events().join(name)).unwrap();
    serde_json::from_slice(&file).unwrap()
}

/// The names of all sample events of HTTP.
pub fn samples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(events())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && name != "local-env.json")
        // For the other function.
        .filter(|name| !name.starts_with("s3-"))
        .collect();
    names.sort();
    names
}

fn events() -> PathBuf {
    workspace::root().join("events")
}

/// Status, content type and body of a response event, whichever trigger it is for.
pub fn read(response: &Value) -> (u64, String, Vec<u8>) {
    let status = response["statusCode"].as_u64().unwrap_or_else(|| panic!("{response}"));
    let single = response["headers"]["content-type"].as_str();
    let several = response["multiValueHeaders"]["content-type"][0].as_str();
    let content_type = single.or(several).unwrap_or_default().to_owned();
    let body = response["body"].as_str().unwrap_or_default();
    let body = match response["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(body).unwrap(),
        _ => body.as_bytes().to_vec(),
    };
    (status, content_type, body)
}

/// The JSON body of a response event that must be a 200.
#[track_caller]
pub fn ok(response: &Value) -> Value {
    let (status, content_type, body) = read(response);
    let text = String::from_utf8_lossy(&body);
    assert_eq!((status, content_type.as_str()), (200, "application/json"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The problem of a response event that must be one.
#[track_caller]
pub fn problem(response: &Value, status: u64, code: &str) -> Value {
    let (found, content_type, body) = read(response);
    let text = String::from_utf8_lossy(&body);
    assert_eq!((found, content_type.as_str()), (status, "application/problem+json"), "{text}");
    let problem = serde_json::from_str(&text).unwrap();
    crate::common::answer::check_problem(&problem, u16::try_from(status).unwrap(), code);
    problem
}
