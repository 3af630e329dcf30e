//! SnapStart: the function before its snapshot and after its restore, against a runtime API that knows both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use glimpse_tests::function::Function;
use glimpse_tests::runtime_api::{RuntimeApi, Start};
use glimpse_tests::s3::Fault;
use glimpse_tests::skip::skip;
use glimpse_tests::{event, workspace};
use serde_json::{Value, json};

use crate::common::answer::without_timing;
use crate::common::api::{cat, expected};
use crate::function::{BUCKET, PREFIX, Stack, ok, problem};

const RESTORE_NEXT: &str = "GET restore/next";
const NEXT: &str = "GET invocation/next";
const AN_HOUR: Duration = Duration::from_secs(3600);
/// More faults than there are requests.
const ALWAYS: usize = 10_000;

/// The function in `program`, on its way to a snapshot.
fn start(stack: &Stack, program: &Path, more: &[(&str, &str)]) -> Function {
    Function::start(program, Start::Snapshot, &stack.environment(more))
}

/// The HTTP function, on its way to a snapshot.
fn with_snapshot(stack: &Stack, more: &[(&str, &str)]) -> Function {
    start(stack, &workspace::this_profiles_bootstrap(), more)
}

fn predict(function: &Function) -> Value {
    ok(&function.api.invoke(&event::predict(&cat())))
}

fn model_requests(stack: &Stack) -> usize {
    stack.server.faults().requests("model.onnx").len()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_snapshot_holds_a_model_and_neither_connections_nor_files() {
    let stack = Stack::new();
    let function = with_snapshot(&stack, &[]);
    function.api.wait_for(RESTORE_NEXT);
    assert!(model_requests(&stack) > 0);
    assert_eq!(function.connections(), [function.api.address()]);
    assert_eq!(files(stack.cache.path()), Vec::<PathBuf>::new());
    // The load's metrics are written, so that no environment reports them again.
    assert!(function.log().contains("ModelLoadMs"), "{}", function.log());

    function.api.restore(Duration::ZERO);
    let before = model_requests(&stack);
    let answer = predict(&function);
    assert_eq!(without_timing(answer), expected(&cat(), 5));
    assert_eq!(model_requests(&stack), before);
    assert_eq!(function.log().matches("ModelLoadMs\":").count(), 1, "{}", function.log());
    assert_eq!(function.api.calls()[..2], [RESTORE_NEXT, NEXT]);
}

#[test]
fn a_configured_digest_is_not_asked_for_again() {
    let stack = Stack::new();
    let digest = sha256(&workspace::default_bundle().join("bundle.json"));
    let function = with_snapshot(&stack, &[("GLIMPSE_MODEL_SHA256", &digest)]);
    function.api.wait_for(RESTORE_NEXT);
    let asked = stack.server.faults().requests("").len();
    function.api.restore(Duration::ZERO);
    predict(&function);
    assert_eq!(stack.server.faults().requests("").len(), asked);
}

#[test]
fn another_bundle_is_loaded_before_the_first_answer() {
    let stack = Stack::new();
    let function = with_snapshot(&stack, &[]);
    function.api.wait_for(RESTORE_NEXT);
    let lite = workspace::bundle("imagenet-lite");
    stack.server.publish(&lite, BUCKET, PREFIX);
    function.api.restore(Duration::ZERO);
    assert_eq!(predict(&function)["model"]["name"], "efficientnet-lite0-imagenet");
}

#[test]
fn a_bundle_that_is_broken_by_then_is_reported_and_not_served() {
    let stack = Stack::new();
    let mut function = with_snapshot(&stack, &[]);
    function.api.wait_for(RESTORE_NEXT);
    stack.server.put(BUCKET, &format!("{PREFIX}/bundle.json"), b"{}".to_vec());
    function.api.restore(Duration::ZERO);
    let error = function.api.wait_for("POST restore/error");
    assert!(error["errorMessage"].as_str().unwrap().contains("bundle.json"), "{error}");
    function.fails();
    assert!(!function.api.calls().contains(&NEXT.to_owned()));
}

#[test]
fn while_s3_is_out_of_reach_the_snapshots_model_serves() {
    let stack = Stack::new();
    let function = with_snapshot(&stack, &[]);
    function.api.wait_for(RESTORE_NEXT);
    stack.server.faults().plan("", Fault::SlowDown, ALWAYS);
    function.api.restore(Duration::ZERO);
    assert_eq!(without_timing(predict(&function)), expected(&cat(), 5));
    assert!(function.log().contains("cannot be compared"), "{}", function.log());
}

#[test]
fn a_model_that_cannot_be_loaded_fails_the_snapshot() {
    let stack = Stack::unpublished();
    let mut function = with_snapshot(&stack, &[]);
    let error = function.api.wait_for("POST init/error");
    assert!(error["errorMessage"].as_str().unwrap().contains("does not exist"), "{error}");
    function.fails();
    assert_eq!(function.api.calls(), ["POST init/error"]);
}

/// The policy for a new model is made just before the version is published.
#[test]
fn a_permission_that_comes_late_does_not_fail_the_snapshot() {
    let stack = Stack::new();
    stack.server.faults().plan("bundle.json", Fault::Forbidden, 3);
    let function = with_snapshot(&stack, &[]);
    function.api.wait_for(RESTORE_NEXT);
    assert_eq!(function.api.calls(), [RESTORE_NEXT]);
    function.api.restore(Duration::ZERO);
    assert_eq!(without_timing(predict(&function)), expected(&cat(), 5));
}

#[test]
fn without_snapstart_the_first_call_is_for_an_event() {
    let stack = Stack::unpublished();
    let bootstrap = workspace::this_profiles_bootstrap();
    let function = Function::start(&bootstrap, Start::OnDemand, &stack.environment(&[]));
    let response = function.api.invoke(&event::predict(&cat()));
    problem(&response, 503, "model_unavailable");
    stack.publish();
    assert_eq!(without_timing(predict(&function)), expected(&cat(), 5));
    assert_eq!(function.api.calls()[0], NEXT);
    assert!(!function.api.calls().iter().any(|call| call.contains("restore")));
}

#[test]
fn the_function_behind_s3_takes_part_too() {
    let stack = Stack::new();
    let results = [("GLIMPSE_RESULTS_BUCKET", "results")];
    let function = start(&stack, &workspace::s3_events(), &results);
    function.api.wait_for(RESTORE_NEXT);
    assert_eq!(function.connections(), [function.api.address()]);
    let before = model_requests(&stack);
    function.api.restore(Duration::ZERO);
    let answer = function.api.invoke(&json!({}));
    assert_eq!(answer["model_ready"], true);
    assert_eq!(model_requests(&stack), before);
}

/// Credentials that are good for 45 minutes, a clock that jumps, and a limit of S3 on old signatures:
/// what was made before the snapshot is of no use after it.
#[test]
fn an_hour_may_pass_before_the_restore() {
    let Some(library) = faketime() else { return };
    let stack = Stack::new();
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    fs::write(&clock, "+0").unwrap();
    let api = RuntimeApi::start();
    let (name, uri) = api.credentials();
    let clock_text = clock.display().to_string();
    let more = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock_text.as_str()),
        // The clock jumps at once, not when the library looks at the file again.
        ("FAKETIME_NO_CACHE", "1"),
        // Empty is unset: only the server has credentials.
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        (name.as_str(), uri.as_str()),
    ];
    let function = with_snapshot(&stack, &more);
    function.api.wait_for(RESTORE_NEXT);
    assert_eq!(api.calls(), ["GET credentials"]);
    let asked = stack.server.faults().requests("bundle.json").len();

    fs::write(&clock, "+3600").unwrap();
    api.restore(AN_HOUR);
    function.api.restore(AN_HOUR);
    let started = Instant::now();
    assert_eq!(without_timing(predict(&function)), expected(&cat(), 5));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!function.log().contains("cannot be compared"), "{}", function.log());
    // The bundle was compared, with new credentials.
    assert!(stack.server.faults().requests("bundle.json").len() > asked);
    assert_eq!(api.calls(), ["GET credentials", "GET credentials"]);
}

/// In the container, with the memory and the empty `/tmp` that Lambda gives it.
#[test]
#[ignore = "`make test-image` builds the image and names it"]
fn an_image_takes_part_in_snapshots_and_works_without() {
    let image = std::env::var("GLIMPSE_TEST_IMAGE").unwrap();
    let engine = std::env::var("ENGINE").unwrap_or_else(|_| "docker".to_owned());
    let stack = Stack::new();
    for start in [Start::Snapshot, Start::OnDemand] {
        let api = RuntimeApi::start();
        let name = format!("glimpse-test-{}-{start:?}", std::process::id());
        let mut command = Command::new(&engine);
        command.args(["run", "--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp"]);
        command.args(["--memory", "2g", "--user", "993", "--name", &name]);
        let uri = ("GLIMPSE_MODEL_URI".to_owned(), format!("s3://{BUCKET}/{PREFIX}"));
        let set = stack.server.environment().into_iter().chain([uri]).chain(api.environment(start));
        for (variable, value) in set {
            command.arg("--env").arg(format!("{variable}={value}"));
        }
        let mut container = command.arg(&image).spawn().unwrap();
        if start == Start::Snapshot {
            api.wait_for(RESTORE_NEXT);
            api.restore(Duration::ZERO);
        }
        let answer = ok(&api.invoke(&event::predict(&cat())));
        assert_eq!(without_timing(answer), expected(&cat(), 5));
        let first = if start == Start::Snapshot { RESTORE_NEXT } else { NEXT };
        assert_eq!(api.calls()[0], first);
        assert!(Command::new(&engine).args(["kill", &name]).status().unwrap().success());
        container.wait().unwrap();
    }
}

/// The library that shifts a process's clocks, installed where it can be.
fn faketime() -> Option<PathBuf> {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let library = Path::new(&folder).join("libfaketime.so.1");
    if !library.exists() {
        let installed = Command::new(workspace::root().join("infra/tools/apt-install"))
            .arg("libfaketime")
            .output();
        if !installed.is_ok_and(|output| output.status.success()) {
            skip("an_hour_may_pass_before_the_restore", "there is no libfaketime, and no apt");
            return None;
        }
    }
    Some(library)
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}
