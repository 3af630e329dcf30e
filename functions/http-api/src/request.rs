//! From an event to the request that the Router takes. An event that cannot be read is a request that
//! is refused, not the end of the invocation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_api::Problem;
use lambda_http::request::LambdaRequest;
use lambda_http::{Error, aws_lambda_events};

use crate::path;

/// What of an event cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    /// `isBase64Encoded` is true, and the body is not base64.
    Body,
    /// Host, path and query are not those of an address.
    Address,
}

/// A layer that refuses what [`read`] could not.
pub async fn refuse_unreadable(request: Request, next: Next) -> Result<Response, Problem> {
    match request.extensions().get() {
        None => Ok(next.run(request).await),
        Some(Unreadable::Body) => {
            let detail = "the event says isBase64Encoded, and its body is not";
            Err(Problem::InvalidBase64(detail.to_owned()))
        }
        Some(Unreadable::Address) => {
            let detail = "the event's host, path and query are not those of an address";
            Err(Problem::InvalidParameter(detail.to_owned()))
        }
    }
}

/// The request of an event, with the path as the API knows it.
pub fn read(mut event: LambdaRequest) -> Request {
    let body = take_body(&mut event);
    // `lambda_http` panics where the parts do not make an address.
    let converted = catch_unwind(AssertUnwindSafe(|| lambda_http::Request::from(event)));
    let mut request = match converted {
        Ok(request) => path::inside_api(request).map(|_| Body::empty()),
        Err(_) => unreadable(Unreadable::Address),
    };
    match body {
        Ok(bytes) => *request.body_mut() = bytes.into(),
        Err(_) => {
            request.extensions_mut().insert(Unreadable::Body);
        }
    }
    request
}

fn unreadable(what: Unreadable) -> Request {
    let mut request = Request::default();
    request.extensions_mut().insert(what);
    request
}

/// An event of the same service without any content.
pub fn empty_like(event: &LambdaRequest) -> Result<LambdaRequest, Error> {
    use aws_lambda_events::{alb, apigw};
    match event {
        LambdaRequest::ApiGatewayV1(_) => {
            Ok(LambdaRequest::ApiGatewayV1(apigw::ApiGatewayProxyRequest::default()))
        }
        LambdaRequest::ApiGatewayV2(_) => {
            Ok(LambdaRequest::ApiGatewayV2(apigw::ApiGatewayV2httpRequest::default()))
        }
        LambdaRequest::Alb(_) => Ok(LambdaRequest::Alb(alb::AlbTargetGroupRequest::default())),
        _ => Err("the event is a request of an unsupported service".into()),
    }
}

/// The body's bytes, decoded where the event says that they are base64; `lambda_http` would panic
/// where they are not.
fn take_body(event: &mut LambdaRequest) -> Result<Vec<u8>, base64::DecodeError> {
    let (body, is_base64) = match event {
        LambdaRequest::ApiGatewayV1(event) => (&mut event.body, &mut event.is_base64_encoded),
        LambdaRequest::ApiGatewayV2(event) => (&mut event.body, &mut event.is_base64_encoded),
        LambdaRequest::Alb(event) => (&mut event.body, &mut event.is_base64_encoded),
        _ => return Ok(Vec::new()),
    };
    let body = body.take().unwrap_or_default();
    match std::mem::take(is_base64) {
        true => STANDARD.decode(body),
        false => Ok(body.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(changes: &[(&str, Value)]) -> LambdaRequest {
        let sample = include_str!("../../../events/rest-api-v1.json");
        let mut event: Value = serde_json::from_str(sample).unwrap();
        for (pointer, value) in changes {
            *event.pointer_mut(pointer).unwrap() = value.clone();
        }
        serde_json::from_value(event).unwrap()
    }

    fn fault(changes: &[(&str, Value)]) -> Option<Unreadable> {
        read(event(changes)).extensions().get().copied()
    }

    #[test]
    fn a_body_that_is_not_base64_is_refused_where_the_event_says_that_it_is() {
        let flag = ("/isBase64Encoded", json!(true));
        assert_eq!(fault(&[]), None);
        assert_eq!(fault(&[flag.clone(), ("/body", json!("/9j/"))]), None);
        assert_eq!(fault(&[flag.clone(), ("/body", Value::Null)]), None);
        for body in ["{\"image_data\": \"x\"}", "/9j", "é"] {
            assert_eq!(fault(&[flag.clone(), ("/body", json!(body))]), Some(Unreadable::Body));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for host in ["a b", "[", "host:port"] {
            let host = ("/multiValueHeaders/Host/0", json!(host));
            let single = ("/headers/Host", host.1.clone());
            assert_eq!(fault(&[host, single]), Some(Unreadable::Address));
        }
    }
}
