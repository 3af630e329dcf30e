//! Cold start, warm latency and memory of the function under the runtime interface emulator,
//! against what cannot be avoided and against a Python handler; all in one run, in turns.
//!
//! `make bench-lambda` prepares what this needs. Absolute times belong to the machine; the ratios
//! are what is quoted. `GLIMPSE_BENCH_BUNDLE` names another bundle; the same with
//! `model.cpu.onnx`, where there is one, has the same name with `-optimized` behind it.

#![allow(missing_docs)]

mod cold;
mod measure;
mod peers;
mod warm;

use std::error::Error;
use std::path::{Path, PathBuf};

use glimpse_tests::s3::S3Server;
use glimpse_tests::{event, workspace};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The bench starts itself for what needs a fresh process.
        [_, "--floor", bundle] => return measure::print_floor(Path::new(bundle)),
        [_, "--empty-function"] => return peers::empty_function(),
        _ => {}
    }
    let bundle = PathBuf::from(
        std::env::var_os("GLIMPSE_BENCH_BUNDLE")
            .unwrap_or_else(|| workspace::root().join("target/bundle-224").into_os_string()),
    );
    let server = S3Server::start(&["models"]);
    let small = event::predict(&measure::jpeg("chelsea.png", 500, 375)?).to_string();
    let large = event::predict(&measure::jpeg("astronaut.png", 4000, 3000)?).to_string();
    cold::run(&server, &bundle, &small)?;
    warm::run(&server, &bundle, &small, &large)
}
