//! An S3-compatible server on loopback: the S3 protocol of `s3s`, files by `s3s-fs`, faults on demand.

mod backend;
mod faults;
mod network;

use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;

use crate::loopback::Loopback;

pub use faults::{Fault, Faults};
pub use network::Network;

/// The server's only account.
pub const ACCESS_KEY: &str = "glimpse";
/// Its secret.
pub const SECRET_KEY: &str = "loopback-only";
/// The region that requests are signed for.
pub const REGION: &str = "us-east-1";

/// A running server; it ends, and its objects are gone, when this is dropped.
pub struct S3Server {
    server: Loopback,
    faults: Arc<Faults>,
    network: Arc<Network>,
    _objects: TempDir,
}

impl S3Server {
    /// Start on a free port with `buckets`.
    ///
    /// # Panics
    /// When the machine has no free port or no temporary folder: nothing can be tested then.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start(buckets: &[&str]) -> Self {
        let objects = tempfile::tempdir().expect("a temporary folder for objects");
        for bucket in buckets {
            std::fs::create_dir(objects.path().join(bucket)).expect("a folder for the bucket");
        }
        let backend = backend::Backend::new(objects.path()).expect("an S3 file system");
        let mut service = S3ServiceBuilder::new(backend);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let faults = Arc::new(Faults::default());
        let network = Arc::new(Network::default());
        let faulty = faults::Faulty::new(service.build(), faults.clone(), network.clone());
        Self { server: Loopback::serve(2, faulty), faults, network, _objects: objects }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What goes wrong, and what was asked for so far.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How far away the server is.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The environment variables that make an AWS SDK talk to this server.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL_S3", self.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// A client of the AWS SDK for this server.
    #[must_use]
    pub fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "loopback"))
            .endpoint_url(self.endpoint())
            .force_path_style(true);
        Client::from_conf(config.build())
    }

    /// Put one object; gives its entity tag, without quotes.
    ///
    /// # Panics
    /// When the server refuses it.
    #[allow(clippy::expect_used)]
    pub fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> String {
        let put = self.client().put_object().bucket(bucket).key(key).body(content.into()).send();
        let put = self.server.run(put).expect("the object is accepted");
        put.e_tag.unwrap_or_default().trim_matches('"').to_owned()
    }

    /// Publish the bundle in `folder` under `bucket/prefix`; gives its `s3://` URI.
    ///
    /// # Panics
    /// When the folder is no bundle, or the server refuses it.
    #[allow(clippy::expect_used)]
    pub fn publish(&self, folder: &Path, bucket: &str, prefix: &str) -> String {
        let optional = ["head.safetensors", "model.cpu.onnx"];
        let optional = optional.into_iter().filter(|file| folder.join(file).exists());
        for file in optional.chain(["model.onnx", "labels.txt", "bundle.json"]) {
            let content = std::fs::read(folder.join(file)).expect("a file of the bundle");
            self.put(bucket, &format!("{prefix}/{file}"), content);
        }
        format!("s3://{bucket}/{prefix}")
    }
}
