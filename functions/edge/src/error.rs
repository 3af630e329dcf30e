//! Why a verb cannot start or go on, and the exit codes.

use std::io;
use std::path::PathBuf;

use glimpse_classifier::ClassifyError;
use glimpse_model_store::LoadError;
use glimpse_settings::SettingError;

/// Some pictures could not be classified.
pub const EXIT_BROKEN: u8 = 1;
/// The command line, the configuration or the model cannot be used; clap's own code for usage.
pub const EXIT_CANNOT_START: u8 = 2;
/// Ended by a signal before all was done; what a shell reports for a program that SIGINT killed.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Ends the program with [`EXIT_CANNOT_START`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or a variable.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The model is not available.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The model cannot do what is asked for.
    #[error(transparent)]
    Unable(#[from] ClassifyError),
    /// A file or folder of our own.
    #[error("cannot {what} {}: {source}", path.display())]
    Path {
        /// A verb.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// As given.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Everybody could use the service, and nobody said that they may.
    #[error(
        "everybody who reaches {address} could use the service: require a token \
         (--bearer-token-file), or say that they may (--no-token, GLIMPSE_NO_TOKEN=true)"
    )]
    NoToken {
        /// Where it would listen.
        address: std::net::SocketAddr,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use {} for TLS: {reason}", path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The output of `watch` is not its journal.
    #[error("{} is not an output of glimpse watch (line {line}); name another file", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Where it differs, from 1.
        line: usize,
    },
    /// Another `watch` appends to the same output.
    #[error("{} is in use by another glimpse watch", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Changes of a folder cannot be followed.
    #[error("cannot watch {}: {source}", path.display())]
    Watch {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: notify::Error,
    },
    /// Threads, signals, standard output.
    #[error("{what}: {source}")]
    System {
        /// What failed.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: what was tried with which path.
    pub fn path(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Path { what, path, source }
    }

    /// For `map_err`: what of the system failed.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
