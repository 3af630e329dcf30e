//! `glimpse serve`: the Router of `http-api` on a socket.

mod client;
mod cors;
mod gate;
mod host;
mod listen;
mod metrics;
mod pace;
mod places;
mod reload;
mod requests;
mod systemd;
mod tls;
mod token;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use clap::Args;
use glimpse_api::{ApiState, guarded_router, health_router};
use glimpse_model_store::ModelStore;
use glimpse_objects::Objects;
use tokio::runtime::Runtime;
use tracing::Level;

use crate::error::Error;
use crate::logs::LogArguments;
use crate::model::{self, ModelArguments};
use crate::signals::{SHUTDOWN_GRACE, Stop};

use self::metrics::Metrics;
use client::Proxies;
use cors::Origins;
use gate::Gate;
use host::Hosts;
use listen::{Listener, Patience};
use requests::RequestArguments;
use tls::TlsArguments;
use token::Tokens;

/// Printed under the list of flags.
pub const AFTER_HELP: &str = "SIGTERM and SIGINT end it: no new connections, and requests that have begun are answered. The model is followed: a changed bundle is verified and tried beside the old one, then takes its place. Under systemd, readiness and the watchdog are served (Type=notify).";

/// What `glimpse serve` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Address to listen at
    #[arg(long, env = "GLIMPSE_LISTEN", hide_env_values = true, value_name = "IP:PORT")]
    #[arg(default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address for the health endpoints alone, which answer there while everything else is full
    #[arg(long, env = "GLIMPSE_HEALTH_LISTEN", hide_env_values = true, value_name = "IP:PORT")]
    health_listen: Option<SocketAddr>,
    /// Address for GET /metrics and the health endpoints; without it, they are served beside the API
    #[arg(long, env = "GLIMPSE_METRICS_LISTEN", hide_env_values = true, value_name = "IP:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// Serve everybody who reaches an address that is not of this machine alone
    #[arg(long, env = "GLIMPSE_NO_TOKEN", hide_env_values = true)]
    no_token: bool,
    /// Reverse proxies whose Forwarded or X-Forwarded-For names the client: addresses and networks,
    /// comma-separated
    #[arg(long, env = "GLIMPSE_TRUSTED_PROXIES", hide_env_values = true, value_name = "NETWORKS")]
    trusted_proxies: Option<Proxies>,
    /// Names under which the server may be asked for, besides localhost and addresses, comma-separated,
    /// or * for all; by default none at a loopback address without a token, elsewhere all
    #[arg(long, env = "GLIMPSE_HOSTS", hide_env_values = true, value_name = "NAMES")]
    hosts: Option<Hosts>,
    /// File with tokens, one per line, of which requests must send one as `Authorization: Bearer …`; health checks and the
    /// page need none
    #[arg(long, env = "GLIMPSE_BEARER_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    /// How often to look for a changed model; 0 for never
    #[arg(long, env = "GLIMPSE_REFRESH_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 30_000)]
    refresh_ms: u64,
    /// Origins whose pages may use the API, comma-separated, or * for all; by default none
    #[arg(long, env = "GLIMPSE_CORS_ORIGINS", hide_env_values = true, value_name = "ORIGINS")]
    #[arg(visible_alias = "cors-origin")]
    cors_origins: Option<Origins>,
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    requests: RequestArguments,
    #[command(flatten)]
    tls: TlsArguments,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// How much at a time, and for how long.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct LoadArguments {
    /// Requests that may be waiting or worked on, three quarters of them from one client; further ones
    /// get 503 with Retry-After
    #[arg(long, env = "GLIMPSE_QUEUE", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    queue: u16,
    /// Open connections, three quarters of them from one client; where there are more, the longest idle
    /// ones of the client that has most are closed
    #[arg(long, env = "GLIMPSE_MAX_CONNECTIONS", hide_env_values = true, value_name = "N")]
    #[arg(default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    max_connections: u16,
    /// Most pictures in one run of the model, which those that wait share; 1 for each by itself. By
    /// default 4 per processor, at least 8 and at most 64; fewer where memory is short
    #[arg(long, env = "GLIMPSE_BATCH_MOST", hide_env_values = true, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    batch_most: Option<u16>,
    /// Of 0.1.0: it delayed pictures.
    #[arg(long, env = "GLIMPSE_BATCH_WINDOW_MS", hide = true)]
    batch_window_ms: Option<u64>,
    /// Time for a whole answer
    #[arg(long, env = "GLIMPSE_REQUEST_TIMEOUT_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    request_timeout_ms: u64,
    /// Time for a request's header to arrive, on a kept connection from the answer before it
    #[arg(long, env = "GLIMPSE_HEADER_TIMEOUT_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
    header_timeout_ms: u64,
    /// Time for a client to take any part of its answer
    #[arg(long, env = "GLIMPSE_WRITE_TIMEOUT_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
    write_timeout_ms: u64,
    /// Age from which on a connection takes no other request
    #[arg(long, env = "GLIMPSE_CONNECTION_AGE_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    connection_age_ms: u64,
    /// Time for requests that have begun to be answered when the server is to end
    #[arg(long, env = "GLIMPSE_DRAIN_MS", hide_env_values = true, value_name = "MS")]
    #[arg(default_value_t = 25_000)]
    drain_ms: u64,
}

/// Serve until a signal ends it.
///
/// # Errors
/// When it cannot start: configuration, address, certificate, model.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    arguments.log.start(Level::INFO);
    let runtime = Runtime::new().map_err(Error::system("cannot start threads"))?;
    let done = runtime.block_on(serve(arguments));
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    done
}

async fn serve(arguments: &Arguments) -> Result<ExitCode, Error> {
    let stop = Stop::listen()?;
    let metrics = Metrics::install()?;
    let tokens = arguments.tokens()?;
    let load = &arguments.load;
    let objects = Objects::from_env();
    let store = arguments.model.store_on(objects.clone(), pace::slowness())?;
    let api = arguments.requests.config(arguments.model.memory_budget())?;
    let tls = arguments.tls.read()?.map(Arc::new);
    if let Some(tls) = tls.clone() {
        tokio::spawn(reload::follow(tls.files(), move || tls.reload()));
    }
    let proxies = arguments.trusted_proxies.clone().unwrap_or_default();
    let listener = Listener {
        tls: tls.clone(),
        patience: load.patience(),
        connections: load.max_connections.into(),
        proxies: proxies.clone(),
        drain: Duration::from_millis(load.drain_ms),
    };
    let gate = Gate::new(tokens, proxies, (load.queue, api.max_body_bytes), load.request_timeout());
    let gate = middleware::from_fn_with_state(Arc::new(gate), gate::pass);
    let state = load.batching(ApiState::new(store.clone(), objects, api));
    let own = if arguments.metrics_listen.is_none() { metrics.routes() } else { Router::new() };
    let hosts = arguments.hosts();
    let mut app = guarded_router(&state, own, |routes| {
        let routes = routes.layer(gate.clone());
        let Some(hosts) = hosts.clone() else { return routes };
        routes.layer(middleware::from_fn_with_state(hosts, host::check))
    });
    if let Some(origins) = &arguments.cors_origins {
        // Before the gate: browsers send no token with a preflight request.
        app = app.layer(origins.layer());
    }
    let socket = listen::bind(arguments.listen).await?;
    if let Some(address) = arguments.metrics_listen {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "everybody who reaches this address may read the metrics");
        }
        let app = health_router(&state).merge(metrics.routes());
        tokio::spawn(listen::plain(listen::bind(address).await?, app));
    }
    if let Some(address) = arguments.health_listen {
        tokio::spawn(listen::plain(listen::bind(address).await?, health_router(&state)));
    }
    let ready = start((store, state), arguments.refresh_ms, load.request_timeout(), metrics);
    let ready = async {
        match stop.unless(ready).await {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    };
    let served = async {
        listener.serve(socket, app, stop.wait()).await;
        Ok(())
    };
    tokio::try_join!(ready, served)?;
    Ok(ExitCode::SUCCESS)
}

/// Load the model, say that requests can come, and follow its changes.
async fn start(
    (store, state): (ModelStore, ApiState),
    refresh_ms: u64,
    run_limit: Duration,
    metrics: Metrics,
) -> Result<(), Error> {
    model::load(&store).await?;
    metrics.name_model(&store);
    tokio::spawn(model::supervise(store.clone(), run_limit));
    let watched = store.clone();
    // A run that was told to end and does not is a hang.
    systemd::ready(move || {
        let age = watched.ready().and_then(|model| model.run_age());
        age.is_none_or(|age| age < run_limit * 2)
    });
    tracing::info!("ready");
    tokio::spawn(give_memory_back());
    if refresh_ms > 0 {
        let every = Duration::from_millis(refresh_ms);
        let swapped = move |store: &ModelStore| {
            metrics.name_model(store);
            tokio::spawn(refit(state.clone()));
        };
        tokio::spawn(model::follow(store, every, swapped));
    }
    Ok(())
}

/// Fit the budgets to another model, once the one before is gone.
async fn refit(state: ApiState) {
    tokio::time::sleep(Duration::from_secs(10)).await;
    let _ = tokio::task::spawn_blocking(glimpse_start::process::give_back).await;
    state.refit();
}

/// What a burst took goes back to the system soon after it.
async fn give_memory_back() {
    /// More than the service took when it was ready.
    const BURST: u64 = 64 << 20;
    const EVERY: Duration = Duration::from_secs(5);
    let mut usual = glimpse_budget::resident();
    loop {
        tokio::time::sleep(EVERY).await;
        if glimpse_budget::resident() > usual + BURST {
            let _ = tokio::task::spawn_blocking(glimpse_start::process::give_back).await;
            // Another model may need more: what cannot be given back is not tried for again and again.
            usual = usual.max(glimpse_budget::resident().saturating_sub(BURST));
        }
    }
}

impl Arguments {
    /// The names that are checked: where nothing else tells the pages of a browser on this machine
    /// from its users, or on request.
    fn hosts(&self) -> Option<Hosts> {
        let is_open = self.listen.ip().is_loopback() && self.bearer_token_file.is_none();
        self.hosts.clone().or_else(|| is_open.then(Hosts::default))
    }

    /// The tokens, where there is a file; without one, only this machine is served unless asked for.
    fn tokens(&self) -> Result<Option<Arc<Tokens>>, Error> {
        let Some(path) = &self.bearer_token_file else {
            let open = self.no_token || self.listen.ip().is_loopback();
            return if open { Ok(None) } else { Err(Error::NoToken { address: self.listen }) };
        };
        let tokens = Arc::new(Tokens::read(path)?);
        let following = tokens.clone();
        tokio::spawn(reload::follow(vec![path.clone()], move || following.reload()));
        Ok(Some(tokens))
    }
}

impl LoadArguments {
    fn patience(&self) -> Patience {
        Patience {
            header: Duration::from_millis(self.header_timeout_ms),
            write: Duration::from_millis(self.write_timeout_ms),
            age: Duration::from_millis(self.connection_age_ms),
        }
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    fn batching(&self, state: ApiState) -> ApiState {
        if self.batch_window_ms.is_some_and(|window| window > 0) {
            tracing::warn!(
                "GLIMPSE_BATCH_WINDOW_MS changes nothing: no picture is delayed to wait for others"
            );
        }
        match self.batch_most {
            Some(most) => state.with_largest_run(most.into()),
            None => state,
        }
    }
}
