//! Lambda's runtime API over HTTP, with what SnapStart and managed instances add to it: the runtime interface
//! emulator knows neither snapshots nor several invocations at once.
//!
//! A function with SnapStart calls, in this order: `restore/next`, which is answered after the restore;
//! then `invocation/next` and the rest, as ever. What fails before the snapshot goes to `init/error`, what
//! fails after the restore to `restore/error`. A call out of this order is refused and kept.
//! Such a function finds no credentials in its environment; it asks a server, which is here too.
//! A function on a managed instance calls `invocation/next` several times and answers by the ids.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::loopback::Loopback;
use crate::s3;

/// The trace that all invocations are part of.
pub const TRACE: &str =
    "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1";

const CREDENTIALS: &str = "/credentials";
/// How long they are good for.
const VALID: Duration = Duration::from_secs(45 * 60);
const PREFIX: &str = "/2018-06-01/runtime/";
const PATIENCE: Duration = Duration::from_secs(60);
/// A function's timeout.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How Lambda starts a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// For one invocation at a time.
    OnDemand,
    /// For a snapshot first.
    Snapshot,
    /// On a managed instance, for so many invocations at a time.
    Managed(u32),
}

/// A running API for one function; it ends when this is dropped.
pub struct RuntimeApi {
    server: Loopback,
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
    in_flight: usize,
    most_in_flight: usize,
    /// For an invocation.
    timeout: Duration,
}

impl RuntimeApi {
    /// Start it on a free port.
    ///
    /// # Panics
    /// When the machine has no free port.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.state().timeout = TIMEOUT;
        let service = {
            let shared = shared.clone();
            service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(called(request, &shared).await) }
            })
        };
        Self { server: Loopback::serve(1, service), shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What Lambda sets in the environment of a function.
    #[must_use]
    pub fn environment(&self, start: Start) -> Vec<(String, String)> {
        let kind = match start {
            Start::OnDemand => "on-demand",
            Start::Snapshot => "snap-start",
            Start::Managed(_) => "lambda-managed-instances",
        };
        let concurrency = match start {
            Start::Managed(most) => most.to_string(),
            Start::OnDemand | Start::Snapshot => String::new(),
        };
        [
            ("AWS_LAMBDA_RUNTIME_API", self.address().to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "function"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "7"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3538"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", kind),
            ("AWS_LAMBDA_MAX_CONCURRENCY", &concurrency),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// What leads an AWS SDK to the credentials, for [`s3::S3Server`].
    #[must_use]
    pub fn credentials(&self) -> (String, String) {
        let name = "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned();
        (name, format!("http://{}{CREDENTIALS}", self.address()))
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

    /// Give the invocations to come so much time.
    pub fn allow(&self, timeout: Duration) {
        self.shared.state().timeout = timeout;
    }

    /// Send an event; gives the function's response.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn invoke(&self, event: &Value) -> Value {
        let id = self.send(event);
        self.response(&id)
    }

    /// Send an event; gives the id of its invocation.
    #[must_use]
    pub fn send(&self, event: &Value) -> String {
        let id = {
            let mut state = self.shared.state();
            state.invocations += 1;
            let id = format!("invocation-{}", state.invocations);
            state.waiting.push_back((id.clone(), event.to_string()));
            id
        };
        self.shared.event.notify_waiters();
        id
    }

    /// Wait for the function's response to an invocation.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn response(&self, id: &str) -> Value {
        self.wait_for(&format!("POST invocation/{id}/response"))
    }

    /// The most events so far that the function had taken and not answered.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.shared.state().most_in_flight
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
        let is_answer = parts.method == Method::POST && name.starts_with("invocation/");
        if is_answer && is_in_order {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
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
            let ((id, event), deadline) = shared.answer(State::next).await;
            invocation(&id, event, deadline)
        }
        (Method::POST, _) => plain(StatusCode::ACCEPTED),
        _ => plain(StatusCode::NOT_FOUND),
    }
}

impl State {
    /// The next event with its invocation's id, and when its time is up by the function's clock.
    fn next(&mut self) -> Option<((String, String), Duration)> {
        let next = self.waiting.pop_front()?;
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.ahead;
        Some((next, now + self.timeout))
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

fn invocation(id: &str, event: String, deadline: Duration) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:function",
        )
        .header("lambda-runtime-trace-id", TRACE);
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
