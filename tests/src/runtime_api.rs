//! Lambda's runtime API over HTTP, with what SnapStart adds to it: the runtime interface emulator knows no
//! snapshots.
//!
//! A function with SnapStart calls, in this order: `restore/next`, which is answered after the restore;
//! then `invocation/next` and the rest, as ever. What fails before the snapshot goes to `init/error`, what
//! fails after the restore to `restore/error`. A call out of this order is refused and kept.
//! Such a function finds no credentials in its environment; it asks a server, which is here too.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::s3;

const CREDENTIALS: &str = "/credentials";
/// How long they are good for.
const VALID: Duration = Duration::from_secs(45 * 60);
const PREFIX: &str = "/2018-06-01/runtime/";
const PATIENCE: Duration = Duration::from_secs(60);
/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running API for one function; it ends when this is dropped.
pub struct RuntimeApi {
    address: SocketAddr,
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// For the threads of the test.
    changed: Condvar,
    /// For the function's calls that wait.
    event: Notify,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    bodies: Vec<(String, Value)>,
    is_restored: bool,
    /// How far the function's clock is ahead of this process's.
    ahead: Duration,
    waiting: VecDeque<(String, String)>,
    invocations: usize,
}

impl RuntimeApi {
    /// Start it on a free port.
    ///
    /// # Panics
    /// When the machine has no free port.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the runtime API");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        let shared = Arc::new(Shared::default());
        runtime.spawn(serve(listener, shared.clone()));
        Self { address, runtime: Some(runtime), shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What Lambda sets in the environment of a function; with a snapshot or without.
    #[must_use]
    pub fn environment(&self, snapshot: bool) -> Vec<(String, String)> {
        let kind = if snapshot { "snap-start" } else { "on-demand" };
        [
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "function"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3538"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", kind),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// What leads an AWS SDK to the credentials, for [`s3::S3Server`].
    #[must_use]
    pub fn credentials(&self) -> (String, String) {
        let name = "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned();
        (name, format!("http://{}{CREDENTIALS}", self.address))
    }

    /// All calls so far, as `METHOD path`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.shared.state().calls.clone()
    }

    /// Wait until the function has made this call; gives the body of its last one.
    ///
    /// # Panics
    /// When it does not come.
    #[allow(clippy::must_use_candidate)] // To have waited is enough.
    pub fn wait_for(&self, call: &str) -> Value {
        self.shared.wait(call, |state| {
            let body = state.bodies.iter().rev().find(|(made, _)| made == call);
            body.map(|(_, body)| body.clone())
        })
    }

    /// The environment is restored: `restore/next` is answered, now or when it comes. The function's
    /// clock is `later` than it was, as the caller has seen to.
    pub fn restore(&self, later: Duration) {
        let mut state = self.shared.state();
        state.is_restored = true;
        state.ahead = later;
        drop(state);
        self.shared.event.notify_waiters();
    }

    /// Send an event; gives the function's response.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn invoke(&self, event: &Value) -> Value {
        let id = {
            let mut state = self.shared.state();
            state.invocations += 1;
            let id = format!("invocation-{}", state.invocations);
            state.waiting.push_back((id.clone(), event.to_string()));
            id
        };
        self.shared.event.notify_waiters();
        self.wait_for(&format!("POST invocation/{id}/response"))
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            thread::spawn(move || drop(runtime));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(clippy::panic)]
    fn wait<T>(&self, what: &str, found: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no `{what}`; there were {:?}", state.calls);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wait for a call's answer until there is one.
    async fn answer<T>(&self, ready: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let notified = self.event.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if let Some(answer) = ready(&mut self.state()) {
                return answer;
            }
            notified.await;
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(called(request, &shared).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

async fn called(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == CREDENTIALS {
        let mut state = shared.state();
        state.calls.push("GET credentials".to_owned());
        return credentials(state.ahead);
    }
    let name = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let call = format!("{} {name}", parts.method);
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let is_in_order = {
        let mut state = shared.state();
        let is_in_order = is_in_order(&state, &name);
        let kept = if is_in_order { call } else { format!("out of order: {call}") };
        state.calls.push(kept.clone());
        state.bodies.push((kept, body));
        is_in_order
    };
    shared.changed.notify_all();
    if !is_in_order {
        return plain(StatusCode::FORBIDDEN);
    }
    match (parts.method, name.as_str()) {
        (Method::GET, "restore/next") => {
            shared.answer(|state| state.is_restored.then_some(())).await;
            plain(StatusCode::OK)
        }
        (Method::GET, "invocation/next") => {
            let next = |state: &mut State| Some((state.waiting.pop_front()?, state.ahead));
            let ((id, event), ahead) = shared.answer(next).await;
            invocation(&id, event, ahead)
        }
        (Method::POST, _) => plain(StatusCode::ACCEPTED),
        _ => plain(StatusCode::NOT_FOUND),
    }
}

/// Whether a function may make this call now.
fn is_in_order(state: &State, name: &str) -> bool {
    let was_called = |call: &str| state.calls.iter().any(|made| made == call);
    let waits = was_called("GET restore/next") && !state.is_restored;
    match name {
        "restore/next" => !was_called("GET restore/next") && !was_called("GET invocation/next"),
        "init/error" => !was_called("GET restore/next") && !was_called("GET invocation/next"),
        "restore/error" => was_called("GET restore/next") && state.is_restored,
        _ => !waits,
    }
}

fn invocation(id: &str, event: String, ahead: Duration) -> Response<Full<Bytes>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
    let response = Response::builder()
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", (now + TIMEOUT).as_millis().to_string())
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:function",
        )
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700");
    response.body(Full::from(event)).unwrap_or_default()
}

fn credentials(ahead: Duration) -> Response<Full<Bytes>> {
    let expiration = DateTime::from(SystemTime::now() + ahead + VALID);
    let content = json!({
        "AccessKeyId": s3::ACCESS_KEY,
        "SecretAccessKey": s3::SECRET_KEY,
        "Token": "session",
        "Expiration": expiration.fmt(DateTimeFormat::DateTime).unwrap_or_default(),
    });
    Response::new(Full::from(content.to_string()))
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(json!({ "status": "OK" }).to_string()));
    *response.status_mut() = status;
    response
}
