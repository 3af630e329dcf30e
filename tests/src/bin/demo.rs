//! The main job on one machine: S3 server → model → Lambda runtime → labels of real pictures.
//!
//! `make demo` builds what this needs. It shows each committed model, or those that `--model` names.
//! With `--once` it ends after the pictures, with status 0 only if the labels are right; without, the
//! last model's endpoint stays up until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glimpse_tests::emulator::Emulator;
use glimpse_tests::s3::S3Server;
use glimpse_tests::{event, gateway, workspace};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error>;

/// The label that is right for both pictures: a cup of espresso that scikit-image ships, as a PNG of
/// 600 × 400 pixels and, from `events/`, as a JPEG of its middle. All committed models know it.
const LABEL: &str = "espresso";
/// Folders below `models/`; the last knows the most classes and stays up.
const MODELS: [&str; 2] = ["default", "imagenet-lite"];
const WARM_REQUESTS: usize = 9;
const ADDRESS: &str = "127.0.0.1:9000";

fn main() -> Result<ExitCode, Failure> {
    let Arguments { once, models } = Arguments::read(std::env::args().skip(1))?;
    let server = S3Server::start(&["models"]);
    println!("S3 server   {} (loopback; its objects end with it)", server.endpoint());
    let mut all_right = true;
    let mut last = None;
    for model in models {
        drop(last.take());
        let cache = tempfile::tempdir()?;
        let emulator = Arc::new(publish_and_start(&server, &model, cache.path())?);
        all_right &= classify(&emulator)?;
        last = Some((emulator, cache));
    }
    match last {
        Some((emulator, _cache)) if !once => stay(emulator)?,
        _ if !all_right => return Ok(ExitCode::FAILURE),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command line asks for.
struct Arguments {
    once: bool,
    models: Vec<PathBuf>,
}

impl Arguments {
    /// `--model` takes a folder below `models/`, or the path of any bundle.
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut found = Self { once: false, models: Vec::new() };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--once" => found.once = true,
                "--model" => {
                    let name = words.next().ok_or("--model needs a name")?;
                    found.models.push(workspace::bundle(&name));
                }
                _ => return Err(format!("unknown option {word}").into()),
            }
        }
        if found.models.is_empty() {
            found.models.extend(MODELS.map(workspace::bundle));
        }
        Ok(found)
    }
}

fn publish_and_start(server: &S3Server, bundle: &Path, cache: &Path) -> Result<Emulator, Failure> {
    let manifest = manifest(bundle)?;
    let (name, version) = (text(&manifest["name"]), text(&manifest["version"]));
    let uri = server.publish(bundle, "models", &format!("{name}/{version}"));
    println!("model       {uri}: {}", describe(&manifest));
    let emulator = start(server, &uri, cache);
    println!("function    bootstrap under the Lambda runtime interface emulator\n");
    Ok(emulator)
}

fn manifest(bundle: &Path) -> Result<Value, Failure> {
    Ok(serde_json::from_slice(&std::fs::read(bundle.join("bundle.json"))?)?)
}

fn describe(manifest: &Value) -> String {
    let megabytes = manifest["files"]["model.onnx"]["bytes"].as_f64().unwrap_or_default() / 1e6;
    let metrics = &manifest["metrics"];
    let percent = |name: &str| metrics[name].as_f64().map(|share| share * 100.0);
    match (percent("int8_top1"), percent("int8_top5")) {
        (Some(top1), Some(top5)) => format!(
            "{megabytes:.1} MB int8, {top1:.1} % top-1 and {top5:.1} % top-5 on {}",
            text(&metrics["dataset"])
        ),
        _ => format!("{megabytes:.1} MB"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn start(server: &S3Server, uri: &str, cache: &Path) -> Emulator {
    let mut environment = server.environment();
    for (name, value) in [
        ("GLIMPSE_MODEL_URI", uri),
        ("GLIMPSE_ORT_LIBRARY", &workspace::ort_library().to_string_lossy()),
        ("GLIMPSE_CACHE_DIR", &cache.to_string_lossy()),
    ] {
        environment.push((name.to_owned(), value.to_owned()));
    }
    Emulator::start(&[&workspace::this_profiles_bootstrap()], &environment)
}

/// Classify every picture, cold the first one, then warm; tells whether all labels are true.
fn classify(emulator: &Emulator) -> Result<bool, Failure> {
    let mut all_right = true;
    let pictures = [workspace::picture("coffee.png"), workspace::root().join("events/coffee.jpg")];
    for (position, path) in pictures.iter().enumerate() {
        let picture = path.file_name().unwrap_or_default().to_string_lossy();
        let event = event::predict(&std::fs::read(path)?);
        let (first, answer) = timed(|| emulator.invoke(&event));
        let (status, answer) = event::answer(&answer);
        if status != 200 {
            println!("{picture:12}  {status} {answer}");
            all_right = false;
            continue;
        }
        let mut warm: Vec<Duration> =
            (0..WARM_REQUESTS).map(|_| timed(|| emulator.invoke(&event)).0).collect();
        warm.sort_unstable();
        let right = text(&answer["label"]) == LABEL;
        all_right &= right;
        let verdict = if right { "right".to_owned() } else { format!("WRONG: it is {LABEL}") };
        println!("{picture:12}  {}  ({verdict})", labels(&answer));
        let start = if position == 0 { "cold start" } else { "first" };
        println!(
            "{:12}  {start} {:.0} ms, then {:.1} ms (median of {WARM_REQUESTS}): {}\n",
            "",
            ms(first),
            ms(warm[WARM_REQUESTS / 2]),
            stages(&answer["timing_ms"])
        );
    }
    Ok(all_right)
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let done = work();
    (started.elapsed(), done)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn labels(answer: &Value) -> String {
    let predictions = answer["predictions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |p: &Value| {
        format!("{} {:.1} %", text(&p["label"]), p["score"].as_f64().unwrap_or_default() * 100.0)
    };
    predictions.iter().take(3).map(one).collect::<Vec<_>>().join(", ")
}

fn stages(timing: &Value) -> String {
    let stage = |name: &str| format!("{name} {:.1}", timing[name].as_f64().unwrap_or_default());
    ["decode", "preprocess", "infer"].map(stage).join(", ")
}

/// Keep the endpoint up and say how to use it.
fn stay(emulator: Arc<Emulator>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = match TcpListener::bind(ADDRESS).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await?,
        };
        let endpoint = format!("http://{}", listener.local_addr()?);
        println!("Try it, with a picture of your own too:\n");
        println!("  curl -H 'content-type: image/png' --data-binary @target/pictures/coffee.png {endpoint}/predict");
        println!("\nor open {endpoint}/ in a browser. The function itself, without the gateway before it:\n");
        println!("  curl -d @events/http-api-v2.json {}\n", emulator.url());
        println!("Ctrl-C ends it.");
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            () = gateway::serve(listener, emulator) => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminated.recv() => {}
        }
        Ok(())
    })
}
