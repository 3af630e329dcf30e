//! A function's own process, which a [`RuntimeApi`] speaks to.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::runtime_api::{RuntimeApi, Start};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running function; it ends when this is dropped.
pub struct Function {
    /// What it calls.
    pub api: RuntimeApi,
    process: Child,
    log: NamedTempFile,
}

impl Function {
    /// Start `program` in an environment of these variables, and of those that Lambda sets.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start(program: &Path, start: Start, variables: &[(String, String)]) -> Self {
        let api = RuntimeApi::start();
        let log = NamedTempFile::new().expect("a file for the log");
        let mut process = Command::new(program);
        process.env_clear().envs(api.environment(start)).envs(variables.iter().cloned());
        process.stdin(Stdio::null());
        process.stdout(log.reopen().expect("the log")).stderr(log.reopen().expect("the log"));
        let process = process.spawn().expect("the function starts");
        Self { api, process, log }
    }

    /// What it wrote so far.
    ///
    /// # Panics
    /// When that cannot be read.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).expect("the log")
    }

    /// The log, once `times` of its lines hold `text`: lines arrive a little later than the answer.
    ///
    /// # Panics
    /// When they do not arrive.
    #[must_use]
    pub fn log_with(&self, text: &str, times: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.lines().filter(|line| line.contains(text)).count() >= times {
                return log;
            }
            assert!(Instant::now() < deadline, "`{text}` is not {times} times in {log}");
            sleep(Duration::from_millis(10));
        }
    }

    /// Wait until it has ended by itself, with a failure.
    ///
    /// # Panics
    /// When it does not.
    #[allow(clippy::expect_used, clippy::panic)]
    pub fn fails(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().expect("the process can be asked") {
                assert!(!status.success());
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the function goes on: {}", self.log());
    }

    /// The addresses that it is connected to.
    ///
    /// # Panics
    /// When `/proc` cannot be read.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn connections(&self) -> Vec<SocketAddr> {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let links = fs::read_dir(process.join("fd")).expect("the process's files").flatten();
        let sockets: HashSet<String> = links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .filter_map(|to| {
                Some(to.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
            })
            .collect();
        let table = fs::read_to_string(process.join("net/tcp")).expect("the connections");
        let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Fields by proc(5): 2 is the remote address in hexadecimal, 9 the socket's inode.
        lines.filter(|line| sockets.contains(line[9])).filter_map(|line| remote(line[2])).collect()
    }

    /// The most memory that it ever took, in bytes.
    ///
    /// # Panics
    /// When `/proc` cannot be read.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the process's status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok());
        peak.map(|kibibytes: u64| kibibytes << 10).expect("the peak")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address of `/proc/net/tcp`; its octets are in the order of the machine, which is little-endian.
fn remote(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let octets = u32::from_str_radix(address, 16).ok()?.to_le_bytes();
    Some(SocketAddr::from((octets, u16::from_str_radix(port, 16).ok()?)))
}
