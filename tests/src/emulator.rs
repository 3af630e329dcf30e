//! The function under AWS's Lambda runtime interface emulator.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::workspace;

/// A running emulator. It starts the function at the first invocation, as Lambda does at a cold
/// start, and takes one invocation at a time.
pub struct Emulator {
    process: Child,
    url: String,
    agent: ureq::Agent,
    log: Arc<Mutex<Vec<String>>>,
}

impl Emulator {
    /// Start the emulator for `command` (the function's binary and its arguments).
    ///
    /// # Panics
    /// When the emulator is absent or does not start.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start(command: &[&Path], environment: &[(String, String)]) -> Self {
        let (api, runtime_api) = (free_port(), free_port());
        let mut process = Command::new(workspace::emulator())
            .args(["--log-level", "error"])
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{api}")])
            .args(["--runtime-api-address", &format!("127.0.0.1:{runtime_api}")])
            .args(command)
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3538")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the runtime interface emulator starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        for stream in [
            process.stdout.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
            process.stderr.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            collect(stream, log.clone());
        }
        wait_for(api);
        let url = format!("http://127.0.0.1:{api}/2015-03-31/functions/function/invocations");
        Self { process, url, agent: agent(), log }
    }

    /// Where invocations are posted.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Invoke the function with `event`; gives its response.
    ///
    /// # Panics
    /// When the emulator does not answer with JSON.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn invoke(&self, event: &Value) -> Value {
        let text = self.invoke_text(&event.to_string());
        serde_json::from_str(&text).expect("the emulator answers with JSON")
    }

    /// Invoke with an event that is text already: for timing.
    ///
    /// # Panics
    /// When the emulator does not answer.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn invoke_text(&self, event: &str) -> String {
        let mut response = self.agent.post(&self.url).send(event).expect("the emulator answers");
        let body = response.body_mut().with_config().limit(64 << 20).read_to_string();
        body.expect("the emulator's answer is text")
    }

    /// What emulator and function wrote so far, a line each.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log, once `times` of its lines hold `text`: lines arrive a little later than the answer.
    ///
    /// # Panics
    /// When they do not arrive.
    #[must_use]
    pub fn log_with(&self, text: &str, times: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            if log.iter().filter(|line| line.contains(text)).count() >= times {
                return log;
            }
            assert!(Instant::now() < deadline, "`{text}` is not {times} times in {log:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The function's process id, between its start and its end.
    #[must_use]
    pub fn function(&self) -> Option<i32> {
        // Go starts children from any of its threads.
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).ok()?;
        threads.flatten().find_map(|thread| {
            let children = fs::read_to_string(thread.path().join("children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }

    /// End the function. It leads a group of its own, and would notice only later that the emulator
    /// has gone: what is measured meanwhile would be measured beside it.
    fn end_function(&self) {
        let Some(function) = self.function() else { return };
        let _ = killpg(Pid::from_raw(function), Signal::SIGKILL);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.function() == Some(function) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end_function();
        if let Ok(group) = i32::try_from(self.process.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.process.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}

fn collect(stream: Box<dyn std::io::Read + Send>, log: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

/// A port under the ephemeral range, so that no outgoing connection takes it before it is bound.
#[allow(clippy::expect_used)]
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const PORTS: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes run side by side: each begins somewhere else.
    let start = std::process::id().wrapping_mul(389);
    let port = |step: u16| {
        let offset = (start + u32::from(step)) % u32::from(PORTS);
        FIRST + u16::try_from(offset).unwrap_or_default()
    };
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| port(NEXT.fetch_add(1, Ordering::Relaxed)))
        .take(usize::from(PORTS))
        .find(free)
        .expect("a free port")
}

#[allow(clippy::panic)]
fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the runtime interface emulator does not listen");
        thread::sleep(Duration::from_millis(5));
    }
}
