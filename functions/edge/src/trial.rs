//! A bundle that is to replace the one that serves is tried in a process of its own: this program
//! again, with the same flags and variables, and one more.
//!
//! Whatever the bundle does there, the process that serves goes on: it may take no more memory than is
//! free, the system ends it first where memory runs out, and it ends itself when its time is over.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _, stdin, stdout};
use std::pin::Pin;
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use glimpse_model_store::{Candidate, Sha256Digest, StoreConfig, Trial, TrialError, try_here};
use glimpse_settings::{Environment, Strings as _};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::confine::{self, Confined};
use crate::error::Error;

/// Set by this program for its own second process alone.
const VARIABLE: &str = "GLIMPSE_TRIAL";
/// This program, also after its file was replaced: proc(5).
const PROGRAM: &str = "/proc/self/exe";

/// The first line of the standard input; the files follow.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    digest: String,
    memory_bytes: u64,
    time_ms: u64,
    /// Names and lengths.
    files: Vec<(String, usize)>,
}

/// The standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It took so many bytes.
    Passed(u64),
    /// Why not.
    Failed(String),
}

/// This program as it was started.
#[derive(Debug)]
pub struct OwnProgram {
    arguments: Vec<OsString>,
    limit: Duration,
}

impl OwnProgram {
    /// Trials that may take `limit` each.
    pub fn new(limit: Duration) -> Self {
        Self { arguments: std::env::args_os().skip(1).collect(), limit }
    }

    async fn start(&self, candidate: &Candidate) -> Result<u64, TrialError> {
        let bytes = glimpse_budget::limit().saturating_sub(glimpse_budget::resident());
        let order = Order {
            digest: candidate.digest().to_string(),
            memory_bytes: bytes,
            time_ms: u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX),
            files: candidate.files().map(|(name, file)| (name.to_owned(), file.len())).into(),
        };
        let mut process = Command::new(PROGRAM)
            .args(&self.arguments)
            .env(VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = process.stdin.take() {
            let mut line = serde_json::to_vec(&order).map_err(io::Error::from)?;
            line.push(b'\n');
            let files = candidate.files().map(|(_, file)| file);
            for part in [&line[..]].into_iter().chain(files) {
                // One that ends early says why in its output.
                if input.write_all(part).await.is_err() {
                    break;
                }
            }
        }
        let output = process.wait_with_output().await?;
        match serde_json::from_slice(&output.stdout) {
            Ok(Verdict::Passed(taken)) => Ok(taken),
            Ok(Verdict::Failed(reason)) => Err(TrialError::Failed(reason)),
            Err(_) => Err(TrialError::Ended { status: output.status.to_string(), bytes }),
        }
    }
}

impl Trial for OwnProgram {
    fn run<'a>(
        &'a self,
        candidate: &'a Candidate,
    ) -> Pin<Box<dyn Future<Output = Result<u64, TrialError>> + Send + 'a>> {
        Box::pin(self.start(candidate))
    }
}

/// Whether this is the second process.
pub fn is_asked_for() -> bool {
    Environment.path(VARIABLE).is_some()
}

/// Try the bundle that stands in the standard input, as a store of this configuration would serve it.
///
/// # Errors
/// When the input is not what [`OwnProgram`] writes.
pub fn run(config: StoreConfig) -> Result<ExitCode, Error> {
    let mut input = stdin().lock();
    let mut line = String::new();
    let unreadable = Error::system("cannot read the bundle that is to be tried");
    let order = input.read_line(&mut line).and_then(|_| Ok(serde_json::from_str::<Order>(&line)?));
    let order = order.map_err(unreadable)?;
    let _confined = Confined::to(order.memory_bytes);
    confine::go_first();
    end_after(Duration::from_millis(order.time_ms));
    let before = glimpse_budget::peak();
    let verdict = match tried(config, &order, input) {
        Ok(()) => Verdict::Passed(glimpse_budget::peak().saturating_sub(before)),
        Err(error) => Verdict::Failed(error.to_string()),
    };
    let written = serde_json::to_writer(stdout(), &verdict).map_err(io::Error::from);
    written.and_then(|()| stdout().flush()).map_err(Error::system("cannot write the verdict"))?;
    // ONNX Runtime may still be at work, and what it would tidy up ends with the process.
    std::process::exit(0)
}

fn tried(
    config: StoreConfig,
    order: &Order,
    mut input: impl io::Read,
) -> Result<(), Box<dyn std::error::Error>> {
    let digest: Sha256Digest = order.digest.parse()?;
    let mut files = Vec::new();
    for (name, length) in &order.files {
        let mut content = vec![0; *length];
        input.read_exact(&mut content)?;
        files.push((name.clone(), content));
    }
    let candidate = Candidate::of(&digest, files)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(try_here(config, candidate))?)
}

/// The process that waits ends this one too, unless it is gone.
fn end_after(time: Duration) {
    thread::spawn(move || {
        thread::sleep(time);
        let _ = kill_process(getpid(), Signal::KILL);
    });
}
