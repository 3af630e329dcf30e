//! `glimpse classify`: each picture named, once, in order.

mod output;
mod overlay;
mod pipeline;
mod reduced;
mod report;

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use glimpse_classifier::{Classifier, Explain, Options};
use glimpse_objects::Objects;
use tokio::runtime::Runtime;
use tracing::Level;

use crate::admitted::{self, Files};
use crate::error::{EXIT_BROKEN, EXIT_INTERRUPTED, Error};
use crate::flags;
use crate::logs::LogArguments;
use crate::model::{self, ModelArguments};
use crate::progress::Progress;
use crate::signals::{SHUTDOWN_GRACE, Stop};
use crate::source::{Bucket, LeftOut, expand};

use output::{Form, Output};
use overlay::Overlays;
use pipeline::Pipeline;
use report::Report;

/// Printed under the list of flags.
pub const AFTER_HELP: &str = "In folders and under prefixes, files are taken by their endings. Hidden files and those of systems are left out. What is left out is counted and reported at the end. Exit status: 0 all pictures have a label; 1 some could not be classified, or only files that are not pictures were found; 2 the command line or the model cannot be used; 130 interrupted.";

/// What `glimpse classify` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(
        required = true,
        value_name = "PATH",
        help = "Files, folders with all below, globs, s3://bucket/key, s3://bucket/prefix/, - for standard input"
    )]
    paths: Vec<OsString>,
    /// One JSON object per line; what is printed where standard output is no terminal
    #[arg(long, group = "form")]
    json: bool,
    /// Comma-separated values, one line per label
    #[arg(long, group = "form")]
    csv: bool,
    /// A table; what is printed on a terminal
    #[arg(long, group = "form")]
    table: bool,
    /// The page of TIFFs, from 0; other files have page 0 alone
    #[arg(long, env = "GLIMPSE_PAGE", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 0)]
    page: u32,
    /// Labels of a picture, best first [default: 5 in JSON, else 1]
    #[arg(short = 'k', long, env = "GLIMPSE_TOP_K", hide_env_values = true, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    top_k: Option<u16>,
    /// Leave predictions with a lower score out, 0 to 1; the label is the best one all the same
    #[arg(long, env = "GLIMPSE_MIN_SCORE", hide_env_values = true, value_name = "SCORE")]
    #[arg(default_value_t = 0.0, value_parser = flags::score)]
    min_score: f32,
    /// Write one PNG per picture: the class activation map of its label over the picture
    #[arg(long, env = "GLIMPSE_EXPLAIN", hide_env_values = true, value_name = "DIR")]
    explain: Option<PathBuf>,
    /// Largest file or object in bytes
    #[arg(long, env = "GLIMPSE_MAX_FILE_BYTES", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 256 << 20)]
    max_file_bytes: u64,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// Classify all that is named.
///
/// # Errors
/// When nothing can be classified: a usage or model error.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    arguments.log.start(Level::WARN);
    let runtime = Runtime::new().map_err(Error::system("cannot start threads"))?;
    let done = classify(arguments, &runtime);
    // Not waited for without end: a model may be loading that never ends.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    done
}

fn classify(arguments: &Arguments, runtime: &Runtime) -> Result<ExitCode, Error> {
    let stop = runtime.block_on(async { Stop::listen() })?;
    let objects = Objects::from_env();
    let store = arguments.model.store(objects.clone())?;
    let Some(loaded) = runtime.block_on(stop.unless(model::first(&store))) else {
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    };
    let model = loaded?;
    let form = arguments.form();
    let options = arguments.options(form);
    model.check(&options)?;
    let bucket = Bucket::new(objects, runtime.handle().clone());
    let pipeline = Pipeline {
        model: model.clone(),
        admission: admitted::admission(arguments.model.memory_budget()),
        files: Files::new(arguments.model.memory_budget()),
        options,
        bucket: bucket.clone(),
        limit: arguments.max_file_bytes,
        stop: &stop,
    };
    all(arguments, form, &model, &pipeline, &bucket)
}

fn all(
    arguments: &Arguments,
    form: Form,
    model: &Classifier,
    pipeline: &Pipeline<'_>,
    bucket: &Bucket,
) -> Result<ExitCode, Error> {
    let overlays = arguments.explain.as_deref().map(Overlays::create).transpose()?;
    let mut output = Output::new(stdout().lock(), form, model);
    let mut report = Report::default();
    let left_out = LeftOut::default();
    let mut progress = Progress::new(stderr().is_terminal() && !arguments.quiet);
    if stderr().is_terminal() && !arguments.quiet {
        count(arguments.paths.clone(), bucket.clone(), progress.counter());
    }
    let emit = |batch: Vec<pipeline::Done>| {
        progress.after(batch.len(), || {
            for (name, result) in batch {
                let result = match (result, &overlays) {
                    (Ok(prediction), Some(overlays)) => overlays.keep(&name, prediction),
                    (result, _) => result,
                };
                output.add(&name, result.as_ref());
                report.add(name, result.err());
            }
            output.flush()
        })
    };
    let written = pipeline.run(expand(&arguments.paths, bucket, &left_out), emit);
    progress.finish();
    match written {
        Ok(()) => {}
        // The reader closed the pipe: it has enough lines.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        Err(error) => return Err(Error::system("cannot write the labels")(error)),
    }
    report.print(&left_out, &mut stderr().lock());
    let interrupted = pipeline.stop.is_set();
    Ok(match (interrupted, report.is_clean(&left_out)) {
        (true, _) => ExitCode::from(EXIT_INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(EXIT_BROKEN),
    })
}

/// Count beside the work what there is to do: the pictures themselves are named one at a time.
fn count(paths: Vec<OsString>, bucket: Bucket, counter: impl Fn() + Send + 'static) {
    std::thread::spawn(move || {
        expand(&paths, &bucket, &LeftOut::default()).for_each(|_| counter());
    });
}

impl Arguments {
    fn form(&self) -> Form {
        match (self.json, self.csv, self.table) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Csv,
            (.., true) => Form::Table,
            _ if stdout().is_terminal() => Form::Table,
            _ => Form::Json,
        }
    }

    fn options(&self, form: Form) -> Options {
        let usual = if form == Form::Json { 5 } else { 1 };
        let explain =
            self.explain.is_some().then(|| Explain { overlay: true, ..Explain::default() });
        Options {
            page: self.page,
            top_k: self.top_k.map_or(usual, usize::from),
            min_score: self.min_score,
            explain,
            ..Options::default()
        }
    }
}
