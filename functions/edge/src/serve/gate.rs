//! Checks before the Router: the token, the client, a place in the queue, a deadline.

use std::future::pending;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use glimpse_api::{Deadline, Problem, discard, within};
use glimpse_budget::{Client, Pool};
use http::{HeaderValue, Method, header};
use metrics::gauge;
use tokio::time::sleep;

use super::client::Proxies;
use super::listen::Peer;
use super::metrics::IN_FLIGHT;
use super::token::Tokens;

/// Need no token. The health endpoints, for load balancers and supervisors, reveal only health; the
/// page holds no secret and asks its user for the token.
const OPEN: [&str; 5] = ["/", "/healthz", "/v2/health/live", "/v2/health/ready", "/ping"];

/// How long a client that has closed its side may wait for its answer while others wait for a processor:
/// most that have are gone.
const GRACE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(200);

/// Shared by all requests.
pub struct Gate {
    tokens: Option<Arc<Tokens>>,
    proxies: Proxies,
    places: Pool,
    /// Of a request that is refused, so much is read.
    max_body_bytes: usize,
    timeout: Duration,
}

impl Gate {
    /// `places`: requests with a body that may be waiting or worked on, three quarters of them from
    /// one client.
    pub fn new(
        tokens: Option<Arc<Tokens>>,
        proxies: Proxies,
        (places, max_body_bytes): (u16, usize),
        timeout: Duration,
    ) -> Self {
        Self { tokens, proxies, places: Pool::new(places.into()), max_body_bytes, timeout }
    }

    /// Whose request it is, or nothing where it lacks a token that it needs.
    fn client(&self, request: &Request) -> Option<Client> {
        let given = request.headers().get(header::AUTHORIZATION);
        let holder = match &self.tokens {
            None => None,
            Some(tokens) => match tokens.holder(given) {
                None if !OPEN.contains(&request.uri().path()) => return None,
                holder => holder.filter(|_| tokens.are_several()),
            },
        };
        Some(match (holder, request.extensions().get::<Peer>()) {
            (Some(holder), _) => Client::Token(holder),
            (None, Some(peer)) => self.proxies.client(peer.address, request.headers()).into(),
            (None, None) => Client::Own,
        })
    }

    /// Wait until `peer` has closed its side and others wait for what its request would take.
    async fn gives_up(&self, peer: Option<Peer>) {
        let Some(peer) = peer else { return pending().await };
        peer.closed().await;
        sleep(GRACE).await;
        while !self.is_busy() {
            sleep(LOOK).await;
        }
    }

    /// Whether requests wait for a processor or for a place.
    fn is_busy(&self) -> bool {
        let processors = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        self.places.taken() > processors.min(self.places.size() - 1)
    }
}

/// Let `request` through to the Router, or refuse it.
pub async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let Some(client) = gate.client(&request) else {
        let scheme = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        return (scheme, Problem::Unauthorized).into_response();
    };
    // Only work takes a place in the queue: health and metrics answer while it is full.
    if request.method() != Method::POST {
        return within(gate.timeout, next.run(request)).await;
    }
    let Some(_place) = gate.places.reserve(client, 1) else {
        discard(request.into_body(), gate.max_body_bytes);
        return Problem::Overloaded.into_response();
    };
    let peer = request.extensions_mut().remove::<Peer>();
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(Deadline::within(gate.timeout));
    let _counted = InFlight::count();
    tokio::select! {
        answer = within(gate.timeout, next.run(request)) => answer,
        () = gate.gives_up(peer) => Problem::Overloaded.into_response(),
    }
}

/// Counts a request until it is dropped: answered, timed out, or its client gone.
struct InFlight;

impl InFlight {
    fn count() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}
