//! Connections: accepted under a limit, kept alive, and ended well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::systemd;
use crate::error::Error;

/// Wait after a failed accept, usually for lack of file descriptors: others may close meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// No client sends more headers than this.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Listen at `address`.
///
/// # Errors
/// When it is taken or not this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| Error::Listen { address, source })?;
    // With port 0, the system chose one.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "listening");
    Ok(listener)
}

/// How connections are treated.
pub struct Listener {
    /// Only TLS, if there.
    pub tls: Option<TlsAcceptor>,
    /// For a handshake, and for the header of each request.
    pub header_timeout: Duration,
    /// Open at the same time.
    pub connections: usize,
    /// For requests that have begun, at the end.
    pub drain: Duration,
}

impl Listener {
    /// Serve `app` at `socket` until `stop`; then let requests that have begun be answered.
    pub async fn serve(self, socket: TcpListener, app: Router, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let (connections, drain) = (Arc::new(Semaphore::new(self.connections)), self.drain);
        let connection = Arc::new(Connection { listener: self, app });
        let accepting = async {
            loop {
                let Ok(place) = connections.clone().acquire_owned().await else { return };
                match socket.accept().await {
                    Ok((stream, _)) => {
                        let (connection, watcher) = (connection.clone(), graceful.watcher());
                        tokio::spawn(async move {
                            connection.serve(stream, watcher).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(socket);
        systemd::stopping();
        tracing::info!(connections = graceful.count(), "ending");
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(?drain, "requests were given up (GLIMPSE_DRAIN_MS)");
        }
    }
}

struct Connection {
    listener: Listener,
    app: Router,
}

impl Connection {
    async fn serve(&self, stream: TcpStream, watcher: Watcher) {
        // An answer is written in one piece; waiting to fill packets only delays it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.listener.tls else {
            return self.requests(stream, watcher).await;
        };
        match tokio::time::timeout(self.listener.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.requests(stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.listener.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES);
        let service = TowerToHyperService::new(self.app.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        // Clients that disconnect early are normal.
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// Serve `app` at `socket` as long as the process lives.
pub async fn plain(socket: TcpListener, app: Router) {
    let listener = Listener {
        tls: None,
        header_timeout: Duration::from_secs(10),
        connections: 16,
        drain: Duration::ZERO,
    };
    listener.serve(socket, app, std::future::pending()).await;
}
