//! The functions that are compared, each under an emulator of its own.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;
use tempfile::TempDir;

use crate::Failure;

/// One function: what it runs, and its environment.
pub struct Peer {
    pub name: &'static str,
    command: Vec<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Peer {
    pub fn glimpse(name: &'static str, model_uri: &str) -> Self {
        let library = workspace::ort_library().to_string_lossy().into_owned();
        Self {
            name,
            command: vec![workspace::bootstrap("release")],
            environment: vec![
                ("GLIMPSE_MODEL_URI".to_owned(), model_uri.to_owned()),
                ("GLIMPSE_ORT_LIBRARY".to_owned(), library),
            ],
        }
    }

    pub fn python(name: &'static str, model_uri: &str) -> Self {
        let root = workspace::root();
        let baseline = root.join("tests/baseline").to_string_lossy().into_owned();
        Self {
            name,
            command: vec![
                root.join("target/venv-baseline/bin/python"),
                "-m".into(),
                "awslambdaric".into(),
                "handler.handle".into(),
            ],
            environment: vec![
                ("MODEL_URI".to_owned(), model_uri.to_owned()),
                ("PYTHONPATH".to_owned(), baseline),
            ],
        }
    }

    /// Answers at once: what is left is the emulator's own time.
    pub fn empty() -> Self {
        let this = std::env::current_exe().unwrap_or_default();
        Self {
            name: "empty function",
            command: vec![this, "--empty-function".into()],
            environment: Vec::new(),
        }
    }
}

/// A peer under its emulator, with an empty cache folder.
pub struct Running {
    emulator: Emulator,
    _cache: TempDir,
}

impl Running {
    pub fn start(peer: &Peer, server: &S3Server) -> Result<Self, Failure> {
        let cache = tempfile::tempdir()?;
        let mut environment = server.environment();
        let folder = cache.path().to_string_lossy().into_owned();
        environment.push(("GLIMPSE_CACHE_DIR".to_owned(), folder.clone()));
        environment.push(("TMPDIR".to_owned(), folder));
        environment.extend(peer.environment.iter().cloned());
        let command: Vec<_> = peer.command.iter().map(PathBuf::as_path).collect();
        Ok(Self { emulator: Emulator::start(&command, &environment), _cache: cache })
    }

    pub fn invoke(&self, event: &str) -> Result<(), Failure> {
        let answer = self.emulator.invoke_text(event);
        if answer.contains("\"statusCode\":200") || answer.contains("\"statusCode\": 200") {
            return Ok(());
        }
        Err(format!("unexpected answer: {answer}\n{}", self.emulator.log().join("\n")).into())
    }

    /// Largest resident set of the function's process so far.
    pub fn peak_bytes(&self) -> Result<u64, Failure> {
        let function = self.emulator.function().ok_or("the emulator has no child")?;
        let status = std::fs::read_to_string(format!("/proc/{function}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
    }
}

/// The smallest function there can be, on the Lambda runtime API:
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
pub fn empty_function() -> Result<(), Failure> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let base = format!("http://{api}/2018-06-01/runtime/invocation");
    // This function starts faster than the emulator opens its port.
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(&api).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(200));
    }
    let agent = ureq::Agent::new_with_defaults();
    loop {
        let mut next = agent.get(format!("{base}/next")).call()?;
        let id = next.headers().get("lambda-runtime-aws-request-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        next.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        agent.post(format!("{base}/{id}/response")).send(r#"{"statusCode":200}"#)?;
    }
}
