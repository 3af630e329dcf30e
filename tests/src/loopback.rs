//! HTTP servers on loopback.

use std::error::Error;
use std::net::SocketAddr;
use std::thread;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A server on a free port, with threads of its own; it ends when this is dropped.
pub(crate) struct Loopback {
    address: SocketAddr,
    /// Until the drop.
    runtime: Option<Runtime>,
}

impl Loopback {
    /// Answer requests by `service`, on so many threads.
    ///
    /// # Panics
    /// When the machine has no free port: nothing can be tested then.
    #[allow(clippy::expect_used)]
    pub(crate) fn serve<S, B>(threads: usize, service: S) -> Self
    where
        S: HttpService<Incoming, ResBody = B, Error: Into<Failure>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
        let runtime = runtime.expect("a runtime for the server");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        runtime.spawn(accept(listener, move |_| service.clone()));
        Self { address, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Wait for `work`, which the server's threads do, so that an async test may call this too.
    ///
    /// # Panics
    /// When the work does.
    #[allow(clippy::expect_used)]
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let runtime = self.runtime.as_ref().expect("the server runs until it is dropped");
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move { sender.send(work.await) });
        receiver.recv().expect("the work ends")
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // A runtime may not be dropped inside another one, which async tests would do.
        if let Some(runtime) = self.runtime.take() {
            thread::spawn(move || drop(runtime));
        }
    }
}

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Answer the requests of each client by the service that `service_of` makes for it.
pub(crate) async fn accept<S, B>(listener: TcpListener, service_of: impl Fn(SocketAddr) -> S)
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Failure>, Future: Send> + Send + 'static,
    B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
{
    while let Ok((socket, client)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let service = service_of(client);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async move {
            // A client that hangs up, or a body that is truncated on purpose, ends its connection
            // with an error; the others go on.
            let _ = connection.await;
        });
    }
}
