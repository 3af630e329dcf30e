//! `glimpse watch`: every picture that appears in a folder, exactly once.
//!
//! The output is the journal: a picture is done when its line is whole. So whenever the process
//! ends, by `kill -9` as well, the next one reads the output and goes on where it ended.

mod changes;
mod journal;
mod settling;
mod shelf;
mod stamp;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use glimpse_classifier::{Classifier, Options, Prediction, Prepared};
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use rayon::prelude::*;
use tokio::runtime::Runtime;
use tracing::Level;

use crate::error::Error;
use crate::logs::LogArguments;
use crate::model::{self, ModelArguments};
use crate::record::{Model, Outcome, Record};
use crate::signals::{FAREWELL, Stop};
use crate::source::{Failure, is_hidden, pictures_in, read_file};

use changes::{Change, Changes};
use journal::{Journal, Key};
use settling::Settling;
use shelf::Shelf;
pub use stamp::Stamp;

/// How long a wait for changes lasts before it looks what has settled.
const TICK: Duration = Duration::from_millis(50);
/// Pictures in one run of the session.
const RUN: usize = 8;

/// Printed under the list of flags.
pub const AFTER_HELP: &str = "Each picture becomes a line of JSON at the end of the output, which is on the disk before the picture is moved. After a restart, also after a crash, the output tells which pictures are done: those with the same path, size and time of change. Keep it.";

/// What `glimpse watch` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder, with all below it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File that the lines are appended to
    #[arg(short, long, env = "GLIMPSE_OUTPUT", hide_env_values = true, value_name = "FILE")]
    output: PathBuf,
    /// Move pictures that are done into DIR/<label>/, broken ones into DIR/_broken/
    #[arg(long, env = "GLIMPSE_MOVE_TO", hide_env_values = true, value_name = "DIR")]
    move_to: Option<PathBuf>,
    /// Labels of a picture, best first
    #[arg(short = 'k', long, env = "GLIMPSE_TOP_K", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top_k: u16,
    /// A picture that nobody was seen to close counts as whole when it has not changed for this long
    #[arg(long, env = "GLIMPSE_SETTLE_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 2000)]
    settle_ms: u64,
    /// How often the whole folder is looked through, for what the system did not tell
    #[arg(long, env = "GLIMPSE_RESCAN_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(100..))]
    rescan_ms: u64,
    /// How often to look for a changed model; 0 for never
    #[arg(long, env = "GLIMPSE_REFRESH_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 30_000)]
    refresh_ms: u64,
    /// Largest file in bytes
    #[arg(long, env = "GLIMPSE_MAX_FILE_BYTES", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 256 << 20)]
    max_file_bytes: u64,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// Watch until a signal ends it.
///
/// # Errors
/// When the folder, the output or the model cannot be used.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    arguments.log.start(Level::INFO);
    let runtime = Runtime::new().map_err(Error::system("cannot start threads"))?;
    let stop = runtime.block_on(async { Stop::listen() })?;
    let folder = arguments.folder.canonicalize();
    let folder = folder.map_err(Error::path("watch the folder", &arguments.folder))?;
    if !folder.is_dir() {
        return Err(Error::path("watch the folder", folder)(ErrorKind::NotADirectory.into()));
    }
    let journal = Journal::open(&arguments.output)?;
    let shelf = arguments.move_to.as_deref().map(|to| Shelf::new(to, &folder)).transpose()?;
    // Before the first look, so that what comes meanwhile is not missed.
    let changes = Changes::of(&folder)?;
    let store = arguments.model.store(Objects::from_env())?;
    let Some(loaded) = runtime.block_on(stop.unless(model::load(&store))) else {
        return Ok(ExitCode::SUCCESS);
    };
    loaded?;
    if arguments.refresh_ms > 0 {
        let every = Duration::from_millis(arguments.refresh_ms);
        runtime.spawn(model::follow(store.clone(), every, |_| ()));
    }
    let options = Options { top_k: arguments.top_k.into(), ..Options::default() };
    let settling = Settling::new(Duration::from_millis(arguments.settle_ms));
    let limit = arguments.max_file_bytes;
    let mut watch = Watch { folder, journal, shelf, settling, store, options, limit };
    watch.run(&changes, Duration::from_millis(arguments.rescan_ms), &stop)?;
    runtime.shutdown_timeout(FAREWELL);
    Ok(ExitCode::SUCCESS)
}

struct Watch {
    folder: PathBuf,
    journal: Journal,
    shelf: Option<Shelf>,
    settling: Settling,
    store: ModelStore,
    options: Options,
    limit: u64,
}

/// A picture that was read whole.
struct Whole {
    path: PathBuf,
    name: String,
    stamp: Stamp,
    /// Or the limit that it is over.
    bytes: Result<Vec<u8>, u64>,
}

impl Watch {
    fn run(&mut self, changes: &Changes, rescan: Duration, stop: &Stop) -> Result<(), Error> {
        let mut next_look = Instant::now();
        tracing::info!(done = self.journal.len(), "watching");
        while !stop.is_set() {
            if Instant::now() >= next_look {
                self.look_through(&self.folder.clone());
                next_look = Instant::now() + rescan;
            }
            let Some(told) = changes.next(TICK) else { return Ok(()) };
            for change in told {
                match change {
                    Change::File { path, state } if self.shows(&path) => {
                        self.settling.touched(path, state);
                    }
                    // What came into it before the system began to tell of it is found by looking.
                    Change::Folder(path) if self.shows(&path) => {
                        self.look_through(&path);
                        next_look = next_look.min(Instant::now() + Duration::from_secs(1));
                    }
                    Change::File { .. } | Change::Folder(_) => {}
                    Change::Missed => next_look = Instant::now(),
                }
            }
            while !stop.is_set() {
                let due = self.settling.due(Instant::now(), RUN);
                if due.is_empty() {
                    break;
                }
                self.classify(due)?;
            }
        }
        Ok(())
    }

    /// Find pictures that are not done, and finish the move of those that are.
    fn look_through(&mut self, folder: &Path) {
        for path in pictures_in(folder) {
            let Some(stamp) = Stamp::of(&path) else { continue };
            if self.journal.has(&Key::new(&self.name(&path), &stamp)) {
                self.shelve(&path, &stamp);
            } else {
                self.settling.found(path, stamp);
            }
        }
    }

    fn classify(&mut self, due: Vec<PathBuf>) -> Result<(), Error> {
        let whole: Vec<Whole> = due.into_iter().filter_map(|path| self.read(path)).collect();
        let Some(model) = self.store.ready() else { return Ok(()) };
        if whole.is_empty() {
            return Ok(());
        }
        let results = classify(&model, &whole, &self.options);
        let entries = whole.iter().zip(&results).map(|(picture, result)| {
            let record = Record {
                file: &picture.name,
                stamp: Some(&picture.stamp),
                outcome: Outcome::of(result.as_ref()),
                model: Some(Model::of(model.manifest())),
            };
            let label = result.as_ref().ok().map(|prediction| prediction.top.label.clone());
            (Key::new(&picture.name, &picture.stamp), label, record.line())
        });
        self.journal.append(entries)?;
        for picture in &whole {
            self.shelve(&picture.path, &picture.stamp);
        }
        Ok(())
    }

    /// The picture, unless it is done, gone, being written, or out of reach for the moment.
    fn read(&mut self, path: PathBuf) -> Option<Whole> {
        let expected = Stamp::of(&path)?;
        let name = self.name(&path);
        if self.journal.has(&Key::new(&name, &expected)) {
            return None;
        }
        let (stamp, bytes) = match read_file(&path, self.limit) {
            Ok(seen) if Stamp::from(&seen.before) != Stamp::from(&seen.after) => {
                self.settling.touched(path, settling::State::Writing);
                return None;
            }
            Ok(seen) => (Stamp::from(&seen.after), Ok(seen.bytes)),
            Err(Failure::TooLarge { limit }) => (expected, Err(limit)),
            Err(Failure::NotFound) => return None,
            // Permissions and disks change: the next look through the folder tries again.
            Err(failure) => {
                tracing::warn!(file = name, %failure, "a picture cannot be read now");
                return None;
            }
        };
        Some(Whole { path, name, stamp, bytes })
    }

    /// Move a picture that is done at `stamp`, where that is wanted.
    fn shelve(&self, path: &Path, stamp: &Stamp) {
        let Some(shelf) = &self.shelf else { return };
        let label = self.journal.label(&Key::new(&self.name(path), stamp));
        if let Err(error) = shelf.put(path, stamp, label) {
            tracing::warn!(file = %path.display(), %error, "a picture cannot be moved now");
        }
    }

    /// Whether no folder on the way is hidden: looking through does not enter those either.
    fn shows(&self, path: &Path) -> bool {
        let within = path.strip_prefix(&self.folder).unwrap_or(path);
        !within.ancestors().any(is_hidden)
    }

    /// The path within the folder: the same when the folder is mounted elsewhere.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// Decode side by side, then run together: one result each, in order.
fn classify(
    model: &Classifier,
    pictures: &[Whole],
    options: &Options,
) -> Vec<Result<Prediction, Failure>> {
    let prepare = |picture: &Whole| -> Result<Prepared, Failure> {
        match &picture.bytes {
            Ok(bytes) => Ok(model.prepare(bytes)?),
            Err(limit) => Err(Failure::TooLarge { limit: *limit }),
        }
    };
    let prepared: Vec<_> = pictures.par_iter().map(prepare).collect();
    let good: Vec<_> = prepared.iter().flatten().map(|picture| (picture, options)).collect();
    let mut results = model.classify_prepared(&good).into_iter();
    let result = |one| match one {
        Ok(_) => Some(results.next()?.map_err(Failure::from)),
        Err(failure) => Some(Err(failure)),
    };
    prepared.into_iter().filter_map(result).collect()
}
