//! The command line: one verb, and what every verb takes.

use clap::{Parser, Subcommand};

/// Classify pictures on this machine: files, a folder as pictures appear in it, or over HTTP.
#[derive(Debug, Parser)]
#[command(name = "glimpse", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs, each a module.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Classify files, folders, globs, standard input or objects in S3.
    Classify(crate::classify::Arguments),
    /// Serve the HTTP API.
    Serve(crate::serve::Arguments),
    /// Classify pictures as they appear in a folder.
    Watch(crate::watch::Arguments),
}
