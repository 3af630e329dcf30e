//! `glimpse watch`: every picture that appears in a folder, exactly once.
//!
//! The output is the journal: a picture is done when its line is whole. So whenever the process
//! ends, also by `kill -9`, the next one reads the output and continues from there.

mod changes;
mod debounce;
mod journal;
mod outbox;
mod rotation;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use glimpse_budget::{Admission, Share};
use glimpse_classifier::{Classifier, Options, Prediction, Prepared, RUN_SIZE, Ranked, Request};
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use rayon::prelude::*;
use tokio::runtime::Runtime;
use tracing::Level;

use crate::admitted;
use crate::error::Error;
use crate::logs::LogArguments;
use crate::model::{self, ModelArguments};
use crate::record::{Model, Outcome, Record};
use crate::signals::{SHUTDOWN_GRACE, Stop};
use crate::source::{Failure, LeftOut, is_hidden, is_inside, pictures_in, read_file};
use crate::stamp::Stamp;

use changes::{Change, Changes};
use debounce::{Debounce, State};
use journal::{Journal, Key};
use outbox::{Destination, Outbox};

/// How long a wait for changes lasts before pictures that are due are looked for.
const TICK: Duration = Duration::from_millis(50);

/// Printed under the list of flags.
pub const AFTER_HELP: &str = "Each picture becomes a line of JSON at the end of the output, which is on the disk before the picture is moved. After a restart, also after a crash, the output says which pictures are done: those with the same path, size and time of change. Keep it.";

/// What `glimpse watch` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder, with all below it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File that the lines are appended to
    #[arg(short, long, env = "GLIMPSE_OUTPUT", hide_env_values = true, value_name = "FILE")]
    output: PathBuf,
    /// Move pictures that are done into DIR/LABEL/, and broken ones into DIR/_broken/; by a multi-label model into
    /// the folder of the best label that they have, or into DIR/unlabelled/
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
    /// How often the whole folder is looked through, for changes that the system did not report
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
    /// Length in bytes from which the output is rotated: it is kept as FILE.1, FILE.2 and so on, and the new one
    /// begins with the lines of pictures that are still in the folder; 0 for never
    #[arg(long, env = "GLIMPSE_ROTATE_BYTES", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 64 << 20)]
    rotate_bytes: u64,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
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
    let done = watch(arguments, &runtime);
    // Not waited for without end: a model may be loading that never ends.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    done
}

fn watch(arguments: &Arguments, runtime: &Runtime) -> Result<ExitCode, Error> {
    let stop = runtime.block_on(async { Stop::listen() })?;
    let folder = arguments.folder.canonicalize();
    let folder = folder.map_err(Error::path("watch the folder", &arguments.folder))?;
    if !folder.is_dir() {
        return Err(Error::path("watch the folder", folder)(ErrorKind::NotADirectory.into()));
    }
    let journal = Journal::open(&arguments.output)?;
    let outbox = arguments.move_to.as_deref().map(|to| Outbox::new(to, &folder)).transpose()?;
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
    let debounce = Debounce::new(Duration::from_millis(arguments.settle_ms));
    let limit = arguments.max_file_bytes;
    let rotate_over = Some(arguments.rotate_bytes).filter(|bytes| *bytes > 0);
    let share = Share::now(arguments.model.memory_budget());
    let mut watch = Watch {
        folder,
        journal,
        rotate_over,
        outbox,
        debounce,
        store,
        admission: Admission::new(share.pictures),
        read_bytes: share.bodies,
        options,
        limit,
        left_out: String::new(),
    };
    watch.run(&changes, Duration::from_millis(arguments.rescan_ms), &stop)?;
    Ok(ExitCode::SUCCESS)
}

struct Watch {
    folder: PathBuf,
    journal: Journal,
    rotate_over: Option<u64>,
    outbox: Option<Outbox>,
    debounce: Debounce,
    store: ModelStore,
    admission: Admission,
    /// Files are read until they take so many bytes together.
    read_bytes: u64,
    options: Options,
    limit: u64,
    /// As it was logged last.
    left_out: String,
}

/// A picture that was read in one state.
struct Read {
    path: PathBuf,
    key: Key,
    /// Or what it is larger than.
    bytes: Result<Vec<u8>, Over>,
}

#[derive(Clone, Copy)]
enum Over {
    Limit(u64),
    Budget(u64),
}

impl From<Over> for Failure {
    fn from(over: Over) -> Self {
        match over {
            Over::Limit(limit) => Self::TooLarge { limit },
            Over::Budget(budget) => Self::OverBudget { budget },
        }
    }
}

impl Watch {
    fn run(&mut self, changes: &Changes, rescan: Duration, stop: &Stop) -> Result<(), Error> {
        let mut next_look = Instant::now();
        tracing::info!(done = self.journal.len(), "watching");
        while !stop.is_set() {
            if Instant::now() >= next_look {
                self.look_through_all();
                next_look = Instant::now() + rescan;
            }
            let Some(happened) = changes.next(TICK) else { return Ok(()) };
            for change in happened {
                match change {
                    Change::File { path, state } if self.shows(&path) => {
                        self.debounce.touched(path, state);
                    }
                    // What was put into it before the system reported it is found by looking.
                    Change::Folder(path) if self.shows(&path) => {
                        self.look_through(&path);
                        next_look = next_look.min(Instant::now() + Duration::from_secs(1));
                    }
                    Change::File { .. } | Change::Folder(_) => {}
                    Change::Missed => next_look = Instant::now(),
                }
            }
            self.classify_due(stop)?;
        }
        Ok(())
    }

    /// Look through the whole folder; log what is left out when that has changed.
    fn look_through_all(&mut self) {
        let left_out = self.look_through(&self.folder.clone()).to_string();
        if self.left_out != left_out && !left_out.is_empty() {
            tracing::info!(left_out, "files that are not pictures");
        }
        self.left_out = left_out;
    }

    /// Find pictures that are not done, and finish the move of those that are.
    fn look_through(&mut self, folder: &Path) -> LeftOut {
        let left_out = LeftOut::default();
        for path in pictures_in(folder, &self.folder, &left_out) {
            let Some(stamp) = Stamp::of(&path) else { continue };
            match self.journal.destination(&self.key(&path, stamp)) {
                Some(destination) => self.put_out(&path, stamp, destination),
                None => self.debounce.found(path, stamp),
            }
        }
        left_out
    }

    /// Classify what is due, a run at a time. While no model is loaded, pictures stay pending.
    fn classify_due(&mut self, stop: &Stop) -> Result<(), Error> {
        while !stop.is_set()
            && let Some(model) = self.store.ready()
        {
            let mut pictures: Vec<Read> = Vec::new();
            let (mut found, mut bytes) = (0, 0);
            while found < RUN_SIZE && bytes < self.read_bytes {
                let Some(path) = self.debounce.due(Instant::now(), 1).pop() else { break };
                found += 1;
                let picture = self.read(path);
                bytes += picture.as_ref().map_or(0, Read::bytes);
                pictures.extend(picture);
            }
            if found == 0 {
                break;
            }
            if !pictures.is_empty() {
                self.classify(&model, &pictures)?;
            }
        }
        Ok(())
    }

    /// Classify pictures, append their lines, then move them.
    fn classify(&mut self, model: &Classifier, pictures: &[Read]) -> Result<(), Error> {
        let prepare = |picture: &Read, request| picture.prepare(model, &self.admission, request);
        let request = Request::of(&self.options);
        let prepared = pictures.par_iter().map(|picture| prepare(picture, request)).collect();
        let mut results = model.classify_each(prepared, &self.options);
        let again = |place: usize| prepare(&pictures[place], request.at_full_scale());
        model.classify_again(&mut results, &self.options, again);
        let entry = |(picture, result): (&Read, &Result<Prediction, Failure>)| {
            let record = Record {
                name: &picture.key.name,
                stamp: Some(picture.key.stamp),
                outcome: Outcome::of(result.as_ref()),
                model: Some(Model::of(model.manifest())),
            };
            (picture.key.clone(), destination(result), record.line())
        };
        self.journal.append(pictures.iter().zip(&results).map(entry))?;
        for (picture, result) in pictures.iter().zip(&results) {
            self.put_out(&picture.path, picture.key.stamp, &destination(result));
        }
        self.rotate();
        Ok(())
    }

    /// Rotate a long output. It can wait: without it, the output only grows.
    fn rotate(&mut self) {
        let Some(limit) = self.rotate_over else { return };
        let there = |key: &Key| key.name.is_in(&self.folder);
        if let Err(error) = self.journal.rotate_over(limit, there) {
            tracing::warn!(%error, "the output cannot be rotated now");
        }
    }

    /// The picture, unless it is done, gone, being written, or out of reach for the moment.
    fn read(&mut self, path: PathBuf) -> Option<Read> {
        let expected = Stamp::of(&path)?;
        if self.journal.has(&self.key(&path, expected)) {
            return None;
        }
        let (stamp, bytes) = match read_file(&path, self.limit, |bytes| self.admit(bytes)) {
            Ok((seen, ())) => {
                let stamp = Stamp::from(&seen.after);
                if Stamp::from(&seen.before) != stamp {
                    self.debounce.touched(path, State::Writing);
                    return None;
                }
                (stamp, Ok(seen.bytes))
            }
            Err(Failure::TooLarge { limit }) => (expected, Err(Over::Limit(limit))),
            Err(Failure::OverBudget { budget }) => (expected, Err(Over::Budget(budget))),
            Err(Failure::NotFound) => return None,
            // Permissions and disks change: the next look through the folder tries again.
            Err(failure) => {
                tracing::warn!(file = %path.display(), %failure, "a picture cannot be read now");
                return None;
            }
        };
        let key = self.key(&path, stamp);
        Some(Read { path, key, bytes })
    }

    /// A file larger than the memory for files is not read.
    fn admit(&self, bytes: u64) -> Result<(), Failure> {
        let budget = self.read_bytes;
        if bytes > budget { Err(Failure::OverBudget { budget }) } else { Ok(()) }
    }

    /// Move a picture that is done at `stamp`, where that is wanted.
    fn put_out(&self, path: &Path, stamp: Stamp, destination: &Destination) {
        let Some(outbox) = &self.outbox else { return };
        if let Err(error) = outbox.put(path, stamp, destination) {
            tracing::warn!(file = %path.display(), %error, "a picture cannot be moved now");
        }
    }

    /// Whether the path is one that looking through the folder finds: nothing on the way is hidden, and
    /// no link leads out of the folder.
    fn shows(&self, path: &Path) -> bool {
        let within = path.strip_prefix(&self.folder).unwrap_or(path);
        !within.ancestors().any(is_hidden) && is_inside(path, &self.folder)
    }

    /// By its path within the folder, which is the same when the folder is mounted elsewhere.
    fn key(&self, path: &Path, stamp: Stamp) -> Key {
        Key { name: path.strip_prefix(&self.folder).unwrap_or(path).into(), stamp }
    }
}

impl Read {
    fn bytes(&self) -> u64 {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }

    fn prepare(
        &self,
        model: &Classifier,
        admission: &Admission,
        request: Request,
    ) -> Result<Prepared, Failure> {
        match &self.bytes {
            Ok(bytes) => Ok(admitted::prepare(model, admission, (bytes, request))?),
            Err(over) => Err((*over).into()),
        }
    }
}

fn destination(result: &Result<Prediction, Failure>) -> Destination {
    let prediction = result.as_ref().ok();
    let names = |given: &Vec<Ranked>| given.iter().map(|one| one.label.clone()).collect();
    Destination::of(
        prediction.map(|prediction| prediction.top.label.clone()),
        prediction.and_then(|prediction| prediction.labels.as_ref()).map(names),
    )
}
