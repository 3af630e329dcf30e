//! A request's body, under its limit.

use std::error::Error as _;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header;
use http_body_util::LengthLimitError;

use super::encoding::Encoding;
use crate::problem::Problem;
use crate::state::ApiState;

/// The whole body, unpacked where it came compressed; a longer one than `GLIMPSE_MAX_BODY_BYTES` is refused, where possible unread.
pub(crate) struct Payload(pub(crate) Bytes);

impl FromRequest<ApiState> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let encoding = Encoding::of(request.headers())?;
        let limit = state.config.max_body_bytes;
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(Problem::PayloadTooLarge { limit });
        }
        let body: Body = request.into_body();
        let within = state.config.body_timeout;
        match tokio::time::timeout(within, to_bytes(body, limit)).await {
            Ok(Ok(bytes)) => encoding.unpack(bytes, limit).map(Self),
            Ok(Err(error)) if is_over_the_limit(&error) => Err(Problem::PayloadTooLarge { limit }),
            Ok(Err(_)) => Err(Problem::IncompleteBody),
            Err(_) => Err(Problem::SlowBody { limit: within }),
        }
    }
}

/// Whether the body was too long; otherwise it broke off.
fn is_over_the_limit(error: &axum::Error) -> bool {
    let cause: Option<&LengthLimitError> = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some()
}

/// Parse a JSON object; a value of the wrong kind is a parameter's fault, the rest is JSON's.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // A byte-order mark may be ignored (RFC 8259, 8.1); .NET and Excel write one.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let parsed = serde_json::from_slice(body).map_err(|error| {
        // A message may quote the value it could not use: enough of it to be recognised.
        let message: String = error.to_string().chars().take(200).collect();
        match error.classify() {
            serde_json::error::Category::Data => Problem::InvalidParameter(message),
            _ => Problem::InvalidJson(message),
        }
    })?;
    // Serde takes an array for an object with its members in order; no client means that.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::InvalidParameter("the body is a list; send an object".to_owned()));
    }
    Ok(parsed)
}
