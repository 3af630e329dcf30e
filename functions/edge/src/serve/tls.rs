//! TLS from two PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::Args;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::Error;

/// Certificate and key; both or neither.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArguments {
    /// PEM file with the certificate and its chain
    #[arg(long, env = "GLIMPSE_TLS_CERT", hide_env_values = true, value_name = "FILE")]
    #[arg(requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "GLIMPSE_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    #[arg(requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArguments {
    /// TLS, if files are given.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn read(&self) -> Result<Option<Tls>, Error> {
        self.tls_cert.clone().zip(self.tls_key.clone()).map(Tls::read).transpose()
    }
}

/// Accepts TLS 1.2 and 1.3 connections with certificate and key as they were read last.
pub struct Tls {
    /// Certificate and key.
    files: (PathBuf, PathBuf),
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    fn read(files: (PathBuf, PathBuf)) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(config(&files.0, &files.1)?);
        Ok(Self { files, current })
    }

    /// Certificate and key.
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.files.0.clone(), self.files.1.clone()]
    }

    /// Read the files again.
    ///
    /// # Errors
    /// Names the file that cannot be used; what was read before stays.
    pub fn reload(&self) -> Result<(), Error> {
        self.current.store(Arc::new(config(&self.files.0, &self.files.1)?));
        Ok(())
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, Error> {
    let chain: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(pem("certificate", certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem("private key", key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable(certificate))?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.map_err(unusable(certificate))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Name what was looked for: rustls only says that a PEM file lacks it.
fn pem(what: &'static str, path: &Path) -> impl FnOnce(pem::Error) -> Error {
    move |error| {
        let reason = match error {
            pem::Error::NoItemsFound => format!("it holds no {what} in PEM form"),
            error => error.to_string(),
        };
        Error::Tls { path: path.to_owned(), reason }
    }
}

fn unusable<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Error {
    move |error| Error::Tls { path: path.to_owned(), reason: error.to_string() }
}
