//! Execution providers: the one that is configured runs the model, where it can be trusted with that.

use std::net::SocketAddr;
use std::path::Path;

use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;
use tempfile::TempDir;

use super::common::toy::{self, Graph};
use super::http::{ask, get, post};
use super::serve::red;
use super::swap::{replace, wait_for_version};

const FALLBACK: &str = "the CPU provider runs the model instead";

/// A provider of this name, as its flag has it.
fn named(name: &str, library: &Path) -> String {
    format!("{name}={}", library.display())
}

/// One that is built with the tests: it computes mean colours, whatever a graph says.
pub fn mean_colour() -> String {
    named("mean-colour", &workspace::example_library("mean_colour_provider"))
}

fn openvino(test: &str) -> Option<String> {
    let found = workspace::openvino().map(|library| named("openvino", &library));
    if found.is_none() {
        skip(test, "there is no target/openvino for this processor");
    }
    found
}

fn serve(graph: Graph, flags: &[&str]) -> (TempDir, Running, SocketAddr) {
    let bundle = toy::bundle(graph);
    let mut command = glimpse(bundle.path());
    let process = command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
    let running = Running::start(process);
    running.wait_for("ready");
    let address = running.wait_for("listening")["address"].as_str().unwrap().parse().unwrap();
    (bundle, running, address)
}

/// The provider that runs, as `/model`, `/metrics` and the log say, which must agree.
fn provider(running: &Running, address: SocketAddr) -> String {
    let model = ask(address, &get("/model")).json();
    assert_eq!(model["graph"], "model.onnx");
    let provider = model["provider"].as_str().unwrap();
    assert_eq!(running.wait_for("the model is loaded")["provider"], provider);
    let metrics = String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
    let line = format!("graph=\"model.onnx\",provider=\"{provider}\"}} 1\n");
    assert!(metrics.contains(&line), "{metrics}");
    provider.to_owned()
}

#[test]
fn a_provider_runs_the_model_by_configuration() {
    let provided = mean_colour();
    for device in [&[][..], &["--provider-device", "cpu"]] {
        let flags = [&["--provider", provided.as_str()], device].concat();
        let (_bundle, running, address) = serve(Graph::MeanColour, &flags);
        assert_eq!(ask(address, &post(&red())).json()["label"], "red");
        assert_eq!(provider(&running, address), "mean-colour");
    }
}

#[test]
fn the_cpu_provider_runs_the_model_where_the_other_one_cannot() {
    let (missing, none) = (Path::new("/missing.so"), workspace::ort_library());
    let text = workspace::root().join("README.md");
    let cases: &[(Graph, &[&str], &str)] = &[
        (Graph::MeanColour, &["--provider", &named("some", missing)], "cannot be opened"),
        (Graph::MeanColour, &["--provider", &named("some", &none)], "is not a provider"),
        (Graph::MeanColour, &["--provider", &named("some", &text)], "is not a provider"),
        (
            Graph::MeanColour,
            &["--provider", &mean_colour(), "--provider-device", "NPU"],
            "the provider has no NPU device; it offers: CPU",
        ),
        // It gives one output of two, and something else than this graph.
        (Graph::Featured, &["--provider", &mean_colour()], "the provider is broken"),
        (Graph::Tripled, &["--provider", &mean_colour()], "differ from the CPU provider's"),
    ];
    for (graph, flags, reason) in cases {
        let (_bundle, running, address) = serve(*graph, flags);
        assert_eq!(ask(address, &post(&red())).json()["label"], "red", "{flags:?}");
        assert_eq!(provider(&running, address), "cpu", "{flags:?}");
        let line = running.wait_for(FALLBACK);
        assert!(line["error"].as_str().unwrap().contains(reason), "{line}");
    }
}

#[test]
fn a_provider_that_compiles_too_long_leaves_time_for_the_cpu_provider() {
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    command.env("GLIMPSE_PROVIDER", mean_colour());
    command.envs([("GLIMPSE_LOAD_TIMEOUT_MS", "6000"), ("COMPILES_FOR_MS", "60000")]);
    command.env("GLIMPSE_REFRESH_MS", "100");
    let (running, address) = Running::serve(&mut command);
    assert_eq!(ask(address, &post(&red())).json()["label"], "red");
    assert_eq!(provider(&running, address), "cpu");
    let line = running.wait_for(FALLBACK);
    assert!(line["error"].as_str().unwrap().contains("did not compile the model within"), "{line}");
    // A changed model waits for it in the process that tries it, and again in this one.
    let changed = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = "2".into());
    replace(changed.path(), bundle.path());
    wait_for_version(address, "2");
    assert_eq!(ask(address, &post(&red())).json()["label"], "red");
}

#[test]
fn openvino_runs_what_it_can_compile() {
    let Some(openvino) = openvino("OpenVINO at the edge") else { return };
    let flags = ["--provider", &openvino, "--provider-device", "CPU"];
    let (_bundle, running, address) = serve(Graph::MeanColour, &flags);
    assert_eq!(ask(address, &post(&red())).json()["label"], "red");
    assert_eq!(provider(&running, address), "openvino");
    // Maps inside an `If`, as in bundles of version 0.1.0.
    let (_bundle, running, address) = serve(Graph::Explained, &flags);
    assert_eq!(ask(address, &post(&red())).json()["label"], "red");
    assert_eq!(provider(&running, address), "cpu");
    running.wait_for(FALLBACK);
    // Its options reach it.
    let wrong = r#"load_config={"CPU":{"INFERENCE_PRECISION_HINT":"wrong"}}"#;
    let flags = [&flags[..], &["--provider-option", wrong]].concat();
    let (_bundle, running, address) = serve(Graph::MeanColour, &flags);
    assert_eq!(provider(&running, address), "cpu");
    let line = running.wait_for(FALLBACK);
    assert!(line["error"].as_str().unwrap().contains("INFERENCE_PRECISION_HINT"), "{line}");
}

#[test]
fn a_mistake_in_the_flags_is_named() {
    for (flags, expected) in [
        (&["--provider", "openvino"][..], "expected NAME=PATH"),
        (&["--provider", "cpu=/x.so"], "other than cpu"),
        (&["--provider", "a=/x.so", "--provider-device", "TPU"], "expected CPU, GPU or NPU"),
        (&["--provider", "a=/x.so", "--provider-option", "threads"], "expected KEY=VALUE"),
        (&["--provider-device", "CPU"], "--provider <NAME=PATH>"),
    ] {
        let output = glimpse("model").arg("serve").args(flags).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(text.contains(expected), "{flags:?}: {text}");
    }
}
