//! What no cold start avoids: ONNX Runtime opened, the session created, the model run once, in a fresh
//! process with the bytes of the graph that the function takes. Then `RUNS` bare runs.
//!
//!     floor BUNDLE [RUNS]
//!
//! Prints a JSON object; times are in milliseconds.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use glimpse_classifier::{Labels, Manifest, Runtime, Session};
use glimpse_tests::workspace;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, runs @ ..] = &arguments[..] else {
        return Err("usage: floor BUNDLE [RUNS]".into());
    };
    let runs: usize = runs.first().map_or(Ok(0), |runs| runs.parse())?;
    let bundle = PathBuf::from(bundle);
    let manifest = Manifest::parse(&std::fs::read(bundle.join("bundle.json"))?)?;
    let input = manifest.input;
    let classes = Labels::parse(&std::fs::read(bundle.join("labels.txt"))?)?.len();
    let pixels = vec![127; input.bytes()];

    let (runtime, open) = timed(|| Runtime::open(&workspace::ort_library()))?;
    let graph = manifest.graph_for_cpu(runtime.version()).file();
    let model = std::fs::read(bundle.join(graph))?;
    let (session, create) = timed(|| Session::new(&runtime, &model, input, classes))?;
    let ((), first_run) = timed(|| session.run(&pixels, 1).map(drop))?;
    let mut bare = Vec::with_capacity(runs);
    for _ in 0..runs {
        bare.push(timed(|| session.run(&pixels, 1).map(drop))?.1);
    }
    println!(
        "{}",
        json!({ "open": open, "session": create, "first_run": first_run, "runs": bare })
    );
    Ok(())
}

/// What `work` gives, and the milliseconds that it takes.
fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let started = Instant::now();
    let done = work()?;
    Ok((done, started.elapsed().as_secs_f64() * 1e3))
}
