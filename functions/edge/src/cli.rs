//! The command line: one verb, and what every verb takes.

use clap::{Parser, Subcommand};

use crate::model::ModelArguments;

/// Classify pictures on this machine: files, what appears in a folder, or requests over HTTP.
///
/// A flag that takes a value can be an environment variable as well; where both are given, the flag
/// holds.
#[derive(Debug, Parser)]
#[command(name = "glimpse", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs, each a module.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // There is one, made once.
pub enum Verb {
    /// Classify files, folders, globs, standard input or objects in S3.
    #[command(after_help = crate::classify::AFTER_HELP)]
    Classify(crate::classify::Arguments),
    /// Serve the HTTP API.
    #[command(after_help = crate::serve::AFTER_HELP)]
    Serve(crate::serve::Arguments),
    /// Classify pictures as they appear in a folder.
    #[command(after_help = crate::watch::AFTER_HELP)]
    Watch(crate::watch::Arguments),
}

impl Verb {
    /// What every verb says about the model.
    pub fn model(&self) -> &ModelArguments {
        match self {
            Self::Classify(arguments) => &arguments.model,
            Self::Serve(arguments) => &arguments.model,
            Self::Watch(arguments) => &arguments.model,
        }
    }
}
