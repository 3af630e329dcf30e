//! From the requests that `lambda_http` makes of events to those that the router takes.

use axum::body::Body;
use http::Uri;
use lambda_http::{RequestExt as _, request::RequestContext};

use crate::telemetry::RequestId;

/// The router's request: the path without the API's stage, and Lambda's request id.
///
/// `lambda_http` puts the stage of an API (`/prod`) before the path; the routes know no stages.
pub fn without_stage(request: lambda_http::Request) -> http::Request<Body> {
    let id = request.lambda_context_ref().map(|context| RequestId::given(&context.request_id));
    let behind_load_balancer =
        matches!(request.request_context_ref(), Some(RequestContext::Alb(_)));
    let path = request.raw_http_path().to_owned();
    let (mut parts, body) = request.into_parts();
    if !behind_load_balancer && !path.is_empty() && path != parts.uri.path() {
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
