//! What is timed outside the function, and how results are printed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use glimpse_classifier::{InputSpec, Labels, Manifest, Runtime, Session};
use glimpse_tests::workspace;
use image::imageops::FilterType;

use crate::Failure;

/// What no design avoids: opening ONNX Runtime, creating the session, running it once.
pub struct Floor {
    open: Duration,
    session: Duration,
    first_run: Duration,
}

type Stage = (&'static str, fn(&Floor) -> Duration);

impl Floor {
    pub const STAGES: [Stage; 3] = [
        ("open ONNX Runtime", |floor| floor.open),
        ("create the session", |floor| floor.session),
        ("first inference", |floor| floor.first_run),
    ];

    pub fn total(&self) -> Duration {
        self.open + self.session + self.first_run
    }

    /// Measure in a process of its own: what is mapped and warm already would not count.
    pub fn in_a_fresh_process(bundle: &Path) -> Result<Self, Failure> {
        let output = Command::new(std::env::current_exe()?).arg("--floor").arg(bundle).output()?;
        let text = String::from_utf8(output.stdout)?;
        let micros: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [open, session, first_run] = micros[..] else {
            return Err(format!("the floor cannot be measured: {text}").into());
        };
        let [open, session, first_run] = [open, session, first_run].map(Duration::from_micros);
        Ok(Self { open, session, first_run })
    }
}

/// The fresh process's side of [`Floor::in_a_fresh_process`].
pub fn print_floor(bundle: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let runtime = Runtime::open(&workspace::ort_library())?;
    let open = started.elapsed();
    let parts = Parts::read(bundle, &runtime)?;
    let started = Instant::now();
    let session = Session::new(&runtime, &parts.model, parts.input, parts.classes)?;
    let created = started.elapsed();
    let pixels = vec![127; parts.input.bytes()];
    let started = Instant::now();
    session.run(&pixels, 1)?;
    let first_run = started.elapsed();
    println!("{} {} {}", open.as_micros(), created.as_micros(), first_run.as_micros());
    Ok(())
}

struct Parts {
    model: Vec<u8>,
    input: InputSpec,
    classes: usize,
}

impl Parts {
    /// With the graph that the function takes.
    fn read(bundle: &Path, runtime: &Runtime) -> Result<Self, Failure> {
        let manifest = Manifest::parse(&std::fs::read(bundle.join("bundle.json"))?)?;
        let graph = manifest.graph_for_cpu(runtime.version()).file();
        let classes = Labels::parse(&std::fs::read(bundle.join("labels.txt"))?)?.len();
        Ok(Self { model: std::fs::read(bundle.join(graph))?, input: manifest.input, classes })
    }
}

/// The session alone, fed with pixels that are ready.
pub struct Bare {
    session: Session,
    pixels: Vec<u8>,
}

impl Bare {
    pub fn new(bundle: &Path) -> Result<Self, Failure> {
        let runtime = Runtime::open(&workspace::ort_library())?;
        let parts = Parts::read(bundle, &runtime)?;
        let session = Session::new(&runtime, &parts.model, parts.input, parts.classes)?;
        Ok(Self { session, pixels: vec![127; parts.input.bytes()] })
    }

    pub fn run(&mut self) -> Result<(), Failure> {
        self.session.run(&self.pixels, 1)?;
        Ok(())
    }
}

/// A freely licensed picture at the wanted size, as JPEG.
pub fn jpeg(name: &str, width: u32, height: u32) -> Result<Vec<u8>, Failure> {
    let picture = image::open(workspace::picture(name))?;
    let sized = picture.resize_exact(width, height, FilterType::Triangle).into_rgb8();
    Ok(glimpse_tests::jpeg::rgb(sized.as_raw(), (width, height))?)
}

pub fn time<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Duration, Failure> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

pub fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub fn verdict(what: &str, ours: Duration, other: Duration, target: f64) {
    bound(what, ours.as_secs_f64() / other.as_secs_f64(), target);
}

/// A ratio without a target.
pub fn note(what: &str, part: Duration, whole: Duration) {
    println!("  ratio {what:40} {:.2}", part.as_secs_f64() / whole.as_secs_f64());
}

pub fn bound(what: &str, ratio: f64, target: f64) {
    let word = if ratio <= target { "ok" } else { "MISSED" };
    println!("  ratio {what:40} {ratio:.2} (target {target:.2}) {word}");
}

pub fn progress(what: &str, done: usize, of: usize) {
    eprint!("\r{what} {}/{of} ", done + 1);
}
