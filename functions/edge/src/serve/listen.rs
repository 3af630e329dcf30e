//! Connections: accepted under limits, kept alive for a while, and ended well.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use glimpse_budget::Client;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::client::Proxies;
use super::places::{Place, Places};
use super::systemd;
use super::tls::Tls;
use super::wire::{self, Wire};
use crate::error::Error;

/// Wait after a failed accept, usually for lack of file descriptors: others may close meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// No client sends more headers than this.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The system counts what it keeps for a client that reads slowly to the service's memory: by default
/// some megabytes for each connection.
const SEND_BUFFER_BYTES: usize = 64 << 10;

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
    pub tls: Option<Arc<Tls>>,
    /// Times that a client may take.
    pub patience: Patience,
    /// Open at the same time. One client may have three quarters of them. Those that wait for their
    /// client make room.
    pub connections: usize,
    /// May have all of them.
    pub proxies: Proxies,
    /// For requests that have begun, at the end.
    pub drain: Duration,
}

/// Times that a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a handshake, and for the header of each request.
    pub header: Duration,
    /// For any part of an answer to be taken.
    pub write: Duration,
    /// For a connection, from which on it takes no other request.
    pub age: Duration,
}

/// The other end of a request's connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    stream: Arc<TcpStream>,
}

impl Peer {
    /// Wait until it has said that it sends nothing more.
    pub async fn closed(&self) {
        wire::closed(&self.stream).await;
    }
}

impl Listener {
    /// Serve `app` at `socket` until `stop`; then let requests that have begun be answered.
    pub async fn serve(self, socket: TcpListener, app: Router, stop: impl Future<Output = ()>) {
        let (ending, end) = watch::channel(false);
        // Every connection holds a sender: when the last is gone, there is nothing to receive.
        let (open, mut all_closed) = mpsc::channel::<()>(1);
        let (places, drain) = (Places::new(self.connections), self.drain);
        let connection = Arc::new(Connection { listener: self, app });
        let accepting = async {
            loop {
                match socket.accept().await {
                    Ok((stream, peer)) => {
                        let Ok(place) = places.take(connection.client(peer.ip())).await else {
                            tracing::debug!(%peer, "a client has too many connections");
                            continue;
                        };
                        let (connection, end, open) =
                            (connection.clone(), end.clone(), open.clone());
                        tokio::spawn(async move {
                            connection.serve(stream, peer.ip(), place, end).await;
                            drop(open);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        sleep(PAUSE).await;
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
        tracing::info!(connections = places.taken(), "ending");
        ending.send_replace(true);
        drop(open);
        if timeout(drain, all_closed.recv()).await.is_err() {
            tracing::warn!(?drain, "requests were given up (GLIMPSE_DRAIN_MS)");
        }
    }
}

struct Connection {
    listener: Listener,
    app: Router,
}

impl Connection {
    /// Whose places it takes: a proxy has many clients.
    fn client(&self, peer: IpAddr) -> Option<Client> {
        (!self.listener.proxies.trust(peer)).then(|| peer.into())
    }

    async fn serve(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        place: Place,
        end: watch::Receiver<bool>,
    ) {
        // An answer is written in one piece; waiting to fill packets only delays it.
        let _ = stream.set_nodelay(true);
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
        let (stream, place) = (Arc::new(stream), Arc::new(place));
        let patience = self.listener.patience;
        let wire = Wire::new(stream.clone(), place.clone(), patience.write);
        let from = (Peer { address: peer, stream: stream.clone() }, place.clone());
        let served = async {
            let Some(tls) = &self.listener.tls else {
                return self.requests(wire, from, end).await;
            };
            match timeout(patience.header, tls.acceptor().accept(wire)).await {
                Ok(Ok(wire)) => self.requests(wire, from, end).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        };
        tokio::select! {
            () = served => {}
            () = place.lost() => tracing::debug!(%peer, "a connection made room for another one"),
            () = wire::broken(&stream) => {}
        }
    }

    async fn requests(
        &self,
        wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        (peer, place): (Peer, Arc<Place>),
        mut end: watch::Receiver<bool>,
    ) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.listener.patience.header)
            .half_close(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES);
        let answered = place.clone();
        let app = self.app.clone().map_request(move |mut request: http::Request<Incoming>| {
            place.work();
            request.extensions_mut().insert(peer.clone());
            request
        });
        let app = app.map_response(move |response| {
            answered.answer();
            response
        });
        let connection = http.serve_connection(TokioIo::new(wire), TowerToHyperService::new(app));
        let mut connection = pin!(connection);
        let last = async {
            tokio::select! {
                _ = end.wait_for(|ending| *ending) => {}
                () = sleep(self.listener.patience.age) => {}
            }
        };
        let done = tokio::select! {
            done = connection.as_mut() => done,
            () = last => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // Clients that disconnect early are normal.
        if let Err(error) = done {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// Serve `app` at `socket` as long as the process lives.
pub async fn plain(socket: TcpListener, app: Router) {
    const PATIENCE: Duration = Duration::from_secs(10);
    let listener = Listener {
        tls: None,
        patience: Patience { header: PATIENCE, write: PATIENCE, age: Duration::from_secs(600) },
        connections: 64,
        proxies: Proxies::default(),
        drain: Duration::ZERO,
    };
    listener.serve(socket, app, std::future::pending()).await;
}
