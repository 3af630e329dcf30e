//! The binary `glimpse` as a process.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::workspace;

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// `glimpse` with the bundle at `model`, and nothing else of this process's environment.
#[must_use]
pub fn glimpse(model: impl AsRef<OsStr>) -> Command {
    program(workspace::glimpse(), model)
}

/// The same with the `glimpse` of another build.
#[must_use]
pub fn program(path: impl AsRef<OsStr>, model: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("GLIMPSE_MODEL_URI", model)
        .env("GLIMPSE_ORT_LIBRARY", workspace::ort_library())
        .stdin(Stdio::null());
    command
}

/// A running `glimpse`; it is killed when this is dropped.
pub struct Running {
    process: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Running {
    /// Start `command`; its standard error, JSON lines, is kept.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("glimpse starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        if let Some(stream) = process.stderr.take() {
            collect(stream, log.clone());
        }
        Self { process, log }
    }

    /// The same for `serve`, at a free port; waits until it is ready and gives its address.
    #[must_use]
    pub fn serve(command: &mut Command) -> (Self, SocketAddr) {
        let running = Self::start(command.args(["serve", "--listen", "127.0.0.1:0"]));
        running.wait_for("ready");
        let address = running.wait_for("listening")["address"].clone();
        let address = address.as_str().and_then(|address| address.parse().ok());
        (running, address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))))
    }

    /// The first log line with this message, waiting for it.
    ///
    /// # Panics
    /// When it does not come.
    #[allow(clippy::must_use_candidate)] // To have waited is enough.
    pub fn wait_for(&self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.iter().find(|line| line["message"] == message) {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "no `{message}` in {log:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its standard input and output, where they are pipes.
    pub fn process(&mut self) -> &mut Child {
        &mut self.process
    }

    /// Send it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.process.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Wait for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[allow(clippy::expect_used)]
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("the process can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "glimpse does not end: {:?}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Memory that is resident now, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        resident(self.process.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, log: Arc<Mutex<Vec<Value>>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // What is not JSON is an error at the start.
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
