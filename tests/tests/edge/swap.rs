//! `glimpse serve` while its bundle changes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::s3::S3Server;
use image::ImageFormat;
use serde_json::json;

use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{ask, get, post};
use super::serve::red;

fn version(address: SocketAddr) -> String {
    ask(address, &get("/model")).json()["version"].as_str().unwrap().to_owned()
}

pub fn wait_for_version(address: SocketAddr, expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while version(address) != expected {
        assert!(Instant::now() < deadline, "version {expected} is not served");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Copy a bundle over another; its description last, as publishing does.
pub fn replace(from: &Path, to: &Path) {
    for file in ["model.onnx", "labels.txt", "bundle.json"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[test]
fn a_changed_folder_is_served_without_a_request_that_fails() {
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    let (_running, address) = Running::serve(command.env("GLIMPSE_REFRESH_MS", "50"));
    let done = Arc::new(AtomicBool::new(false));
    let asked = done.clone();
    let client = thread::spawn(move || {
        let mut answers = 0;
        while !asked.load(Ordering::Relaxed) {
            let answer = ask(address, &post(&red()));
            assert_eq!((answer.status, answer.json()["label"].clone()), (200, "red".into()));
            answers += 1;
        }
        answers
    });
    for next in ["2", "3"] {
        let changed = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!(next));
        replace(changed.path(), bundle.path());
        wait_for_version(address, next);
    }
    done.store(true, Ordering::Relaxed);
    assert!(client.join().unwrap() > 0);
    // The metric follows the swap.
    let deadline = Instant::now() + Duration::from_secs(60);
    let new =
        "glimpse_model_info{name=\"toy\",version=\"3\",graph=\"model.onnx\",provider=\"cpu\"} 1\n";
    let metrics = loop {
        let metrics = String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
        if metrics.contains(new) {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        thread::sleep(Duration::from_millis(10));
    };
    assert!(metrics.contains("glimpse_model_info{name=\"toy\",version=\"2\",graph=\"model.onnx\",provider=\"cpu\"} 0\n"), "{metrics}");
}

#[test]
fn a_bad_bundle_is_refused_and_the_old_one_keeps_serving() {
    let refused = "the new bundle cannot be served; still serving the current one";
    let not_a_number = toy::bundle_with(Graph::NotANumber, |bundle| bundle["version"] = json!("2"));
    let torn = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!("2"));
    fs::write(torn.path().join("model.onnx"), "torn").unwrap();
    for bad in [not_a_number, torn] {
        let bundle = toy::bundle(Graph::MeanColour);
        let mut command = glimpse(bundle.path());
        let (running, address) = Running::serve(command.env("GLIMPSE_REFRESH_MS", "50"));
        replace(bad.path(), bundle.path());
        running.wait_for(refused);
        let metrics = String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
        assert!(metrics.contains("glimpse_model_load_failures_total "), "{metrics}");
        assert_eq!(version(address), "1");
        assert_eq!(ask(address, &post(&red())).json()["label"], "red");
        let good = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!("3"));
        replace(good.path(), bundle.path());
        wait_for_version(address, "3");
    }
}

#[test]
fn a_changed_prefix_in_s3_is_served() {
    let server = S3Server::start(&["models"]);
    let bundle = toy::bundle(Graph::MeanColour);
    let uri = server.publish(bundle.path(), "models", "toy");
    let cache = tempfile::tempdir().unwrap();
    let mut command = glimpse(&uri);
    command.envs(server.environment()).env("GLIMPSE_CACHE_DIR", cache.path());
    let (_running, address) = Running::serve(command.env("GLIMPSE_REFRESH_MS", "50"));
    assert_eq!(version(address), "1");
    let next = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!("2"));
    server.publish(next.path(), "models", "toy");
    wait_for_version(address, "2");
}

#[test]
fn a_refused_bundle_is_not_what_the_next_start_finds_while_s3_is_out_of_reach() {
    let server = S3Server::start(&["models"]);
    let uri = server.publish(toy::bundle(Graph::MeanColour).path(), "models", "toy");
    let cache = tempfile::tempdir().unwrap();
    let environment = server.environment();
    let serve = || {
        let mut command = glimpse(&uri);
        command.envs(environment.clone()).env("GLIMPSE_CACHE_DIR", cache.path());
        Running::serve(command.env("GLIMPSE_REFRESH_MS", "50"))
    };
    let (running, _) = serve();
    let bad = toy::bundle_with(Graph::NotANumber, |bundle| bundle["version"] = json!("2"));
    server.publish(bad.path(), "models", "toy");
    running.wait_for("the new bundle cannot be served; still serving the current one");
    drop((running, server));
    let (_running, address) = serve();
    assert_eq!(version(address), "1");
    assert_eq!(ask(address, &post(&red())).json()["label"], "red");
}

/// Processor time of a process so far, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_bundle_that_never_ends_is_ended_and_not_tried_again() {
    for endless in [Graph::Endless, Graph::SlowToLoad] {
        let bundle = toy::bundle(Graph::MeanColour);
        let mut command = glimpse(bundle.path());
        command.envs([("GLIMPSE_REFRESH_MS", "100"), ("GLIMPSE_LOAD_TIMEOUT_MS", "1500")]);
        let (running, address) = Running::serve(&mut command);
        replace(toy::bundle(endless).path(), bundle.path());
        let deadline = Instant::now() + Duration::from_secs(60);
        let refusals = || {
            let log = running.log();
            let errors = log.iter().filter(|line| {
                line["message"].as_str().unwrap_or_default().starts_with("the new bundle")
            });
            errors.map(|line| line["error"].to_string()).collect::<Vec<_>>()
        };
        let given_up = "did not load or answer in time before";
        while !refusals().iter().any(|error| error.contains(given_up)) {
            assert!(Instant::now() < deadline, "{endless:?}: {:?}", running.log());
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(ask(address, &post(&red())).json()["label"], "red");
        thread::sleep(Duration::from_millis(500));
        assert_eq!(children(running.pid()), "", "{endless:?}: the trial goes on");
        let before = ticks(running.pid());
        thread::sleep(Duration::from_secs(2));
        let used = ticks(running.pid()) - before;
        assert!(used < 100, "{endless:?}: it still runs: {used} ticks in 2 s");
        let good = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!("2"));
        replace(good.path(), bundle.path());
        wait_for_version(address, "2");
    }
}

/// The processes that a process has started, by their numbers.
fn children(pid: u32) -> String {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children"));
    threads.filter_map(|thread| children(thread).ok()).collect()
}

#[test]
fn a_first_bundle_that_never_ends_is_not_served() {
    for endless in [Graph::Endless, Graph::SlowToLoad] {
        let bundle = toy::bundle(endless);
        let mut command = glimpse(bundle.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--load-timeout-ms", "1000"]);
        let mut running = Running::start(&mut command);
        assert_eq!(running.end().code(), Some(2), "{endless:?}");
        let log = format!("{:?}", running.log());
        assert!(!log.contains("\"ready\""), "{log}");
        assert!(log.contains("did not load or answer in time"), "{log}");
        let folder = super::classify::pictures();
        let mut command = glimpse(bundle.path());
        command.env("GLIMPSE_LOAD_TIMEOUT_MS", "1000").arg("classify").arg(folder.path());
        let started = Instant::now();
        assert_eq!(command.output().unwrap().status.code(), Some(2), "{endless:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_others_are_served() {
    let bundle = toy::bundle(Graph::EndlessIfBright);
    let mut command = glimpse(bundle.path());
    let (running, address) = Running::serve(command.env("GLIMPSE_REQUEST_TIMEOUT_MS", "1500"));
    let bright = encode(&plain(9, 8, [255, 250, 250]), ImageFormat::Png);
    let answer = ask(address, &post(&bright));
    assert!(matches!(answer.status, 500 | 503), "{}", answer.json());
    running.wait_for("a run of the model took too long and was ended");
    let answer = ask(address, &post(&red()));
    assert_eq!((answer.status, answer.json()["label"].clone()), (200, "red".into()));
}
