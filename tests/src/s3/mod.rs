//! An S3-compatible server on loopback: the S3 protocol of `s3s`, files by `s3s-fs`, faults on demand.

mod backend;
mod faults;
mod network;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

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
    address: SocketAddr,
    runtime: Option<Runtime>,
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime for the S3 server");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        let backend = backend::Backend::new(objects.path()).expect("an S3 file system");
        let mut service = S3ServiceBuilder::new(backend);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let faults = Arc::new(Faults::default());
        let network = Arc::new(Network::default());
        let faulty = faults::Faulty::new(service.build(), faults.clone(), network.clone());
        runtime.spawn(serve(listener, faulty));
        Self { address, runtime: Some(runtime), faults, network, _objects: objects }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
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
        let runtime = self.runtime.as_ref().expect("the server runs until it is dropped");
        // On the server's own runtime, so that it may be called inside another one as well.
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move { sender.send(put.await.map(|put| put.e_tag)) });
        let tag = receiver.recv().expect("the server runs").expect("the object is accepted");
        tag.unwrap_or_default().trim_matches('"').to_owned()
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

impl Drop for S3Server {
    fn drop(&mut self) {
        // A runtime may not be dropped inside another one, which async tests would do.
        if let Some(runtime) = self.runtime.take() {
            thread::spawn(move || drop(runtime));
        }
    }
}

async fn serve(listener: TcpListener, service: faults::Faulty) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(async move {
            // A truncated body ends its connection with an error: that is its purpose.
            let _ = connection.await;
        });
    }
}
