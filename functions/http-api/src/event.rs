//! From the requests that `lambda_http` makes of events to those that the router takes.

use axum::body::Body;
use glimpse_api::RequestId;
use http::Uri;
use lambda_http::{RequestExt as _, request::RequestContext};

/// The router's request: the path without the API's stage, and Lambda's request id.
pub fn without_stage(request: lambda_http::Request) -> http::Request<Body> {
    let id =
        request.lambda_context_ref().map(|context| RequestId::from_platform(&context.request_id));
    let path = path(&request).to_owned();
    let (mut parts, body) = request.into_parts();
    if !path.is_empty() && path != parts.uri.path() {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = Uri::try_from(format!("{path}{query}")) {
            parts.uri = uri;
        }
    }
    if let Some(id) = id {
        parts.extensions.insert(id);
    }
    http::Request::from_parts(parts, Body::new(body))
}

/// The event's own path (`lambda_http` puts the stage before it where it is not there), less the
/// stage where the event has it.
///
/// On an API's own domain, payload 2.0 always has the stage in the path, and payload 1.0 never has;
/// some emulators of payload 1.0 do, and then the context's path shows it. On a custom domain the
/// path has no stage, and to look for one there would mistake `/v2/health/live` for the stage `v2`.
fn path(request: &lambda_http::Request) -> &str {
    let path = request.raw_http_path();
    let (stage, domain) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => (&context.stage, &context.domain_name),
        Some(RequestContext::ApiGatewayV1(context)) if context.path.as_deref() == Some(path) => {
            (&context.stage, &context.domain_name)
        }
        _ => return path,
    };
    match stage {
        Some(stage) if domain.as_ref().is_none_or(|domain| domain.contains(".execute-api.")) => {
            behind(stage, path).unwrap_or(path)
        }
        _ => path,
    }
}

/// `/predict` of `/prod/predict`, and `/` of `/prod`.
fn behind<'a>(stage: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix('/')?.strip_prefix(stage)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}
