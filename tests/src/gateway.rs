//! What API Gateway's HTTP API does: HTTP in, events to the function, HTTP out.
//!
//! So that `curl` and a browser can talk to the function under the runtime interface emulator. One
//! request at a time reaches the function, since the emulator takes no more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::emulator::Emulator;
use crate::event;
use crate::loopback::accept;

/// API Gateway's own limit on a request.
const MAX_BODY_BYTES: usize = 10 << 20;
/// Lambda's on an event, with the body in it.
const MAX_EVENT_BYTES: usize = 6 << 20;

/// Serve `emulator` over HTTP on `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, emulator: Arc<Emulator>) {
    let turn = Arc::new(Mutex::new(()));
    accept(listener, |client| {
        let (emulator, turn) = (emulator.clone(), turn.clone());
        service_fn(move |request| {
            let (emulator, turn) = (emulator.clone(), turn.clone());
            async move { Ok::<_, Infallible>(pass(request, client, emulator, turn).await) }
        })
    })
    .await;
}

async fn pass(
    request: Request<Incoming>,
    client: SocketAddr,
    emulator: Arc<Emulator>,
    turn: Arc<Mutex<()>>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let event = to_event(parts.method.as_str(), path, &parts.headers, client, &body.to_bytes());
    if event.to_string().len() > MAX_EVENT_BYTES {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.invoke(&event)
    });
    answer
        .await
        .ok()
        .and_then(|answer| to_response(&answer))
        .unwrap_or_else(|| plain(StatusCode::BAD_GATEWAY))
}

/// A body is handed over as text only for the content types that API Gateway knows as text.
fn to_event(
    method: &str,
    path: &str,
    headers: &HeaderMap,
    client: SocketAddr,
    body: &[u8],
) -> Value {
    let mut named = json!({ "x-forwarded-for": client.ip().to_string() });
    for (name, value) in headers {
        named[name.as_str()] = json!(String::from_utf8_lossy(value.as_bytes()));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let textual = content_type.starts_with("text/")
        || matches!(
            content_type,
            "application/json" | "application/xml" | "application/javascript"
        );
    match std::str::from_utf8(body) {
        Ok(text) if textual => event::with_headers(method, path, &named, &json!(text), false),
        _ => event::with_headers(method, path, &named, &json!(STANDARD.encode(body)), true),
    }
}

fn to_response(answer: &Value) -> Option<Response<Full<Bytes>>> {
    let status = u16::try_from(answer["statusCode"].as_u64()?).ok()?;
    let body = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(body).ok()?,
        _ => body.as_bytes().to_vec(),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str()?);
    }
    response.body(Full::new(body.into())).ok()
}

/// In API Gateway's own form, as the function had no part in it.
fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let message = json!({ "message": status.canonical_reason() }).to_string();
    let mut response = Response::new(Full::new(message.into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
