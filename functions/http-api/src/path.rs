//! The path inside the API: an event's path has the API's stage or the base path of a custom domain
//! before it.

use axum::http::Uri;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use percent_encoding::percent_decode_str;

/// The first segments of the API's paths.
const ROOTS: [&str; 11] = [
    "predict",
    "uploads",
    "results",
    "healthz",
    "model",
    "openapi.json",
    "docs",
    "v1",
    "v2",
    "ping",
    "invocations",
];

/// Where an API is reached.
struct Place<'a> {
    stage: Option<&'a str>,
    /// The path of the route that matched, such as `/{proxy+}`; `$default` and the like are not one.
    route: Option<&'a str>,
    /// Not an address that AWS gave.
    custom_domain: bool,
    /// Whether the path may begin with the stage.
    stage_in_path: bool,
}

/// The request with the path that the API's routes know. (`lambda_http` puts the stage before the
/// path where it is not there.)
pub fn inside_api(mut request: lambda_http::Request) -> lambda_http::Request {
    let path = path(&request);
    if !path.is_empty() && path != request.uri().path() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = Uri::try_from(format!("{path}{query}")) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn path(request: &lambda_http::Request) -> String {
    let path = request.raw_http_path();
    let Some(place) = request.request_context_ref().and_then(|context| place(context, path)) else {
        return path.to_owned();
    };
    let parameters = request.path_parameters();
    let route = place.route.and_then(|route| fill(route, |name| parameters.first(name)));
    if let Some(own) = route.and_then(|route| tail(path, &route)) {
        return own.to_owned();
    }
    let own = match place.stage {
        _ if place.custom_domain && place.route.is_none() => behind_base_path(path),
        Some(stage) if place.stage_in_path && !place.custom_domain => behind_stage(stage, path),
        _ => None,
    };
    own.unwrap_or(path).to_owned()
}

/// On an API's own domain, payload 2.0 always has the stage in the path, and payload 1.0 never has;
/// some emulators of payload 1.0 do, and then the context's path shows it. On a custom domain the
/// path has no stage, and to look for one there would mistake `/v2/health/live` for the stage `v2`.
fn place<'a>(context: &'a RequestContext, path: &str) -> Option<Place<'a>> {
    let (stage, domain, route, stage_in_path) = match context {
        RequestContext::ApiGatewayV2(context) => {
            let route = context.route_key.as_deref();
            let route = route.and_then(|key| Some(key.split_once(' ')?.1));
            (&context.stage, &context.domain_name, route, true)
        }
        RequestContext::ApiGatewayV1(context) => {
            let shown = context.path.as_deref() == Some(path);
            (&context.stage, &context.domain_name, context.resource_path.as_deref(), shown)
        }
        _ => return None,
    };
    let of_aws =
        |domain: &String| domain.contains(".execute-api.") || domain.contains(".lambda-url.");
    Some(Place {
        stage: stage.as_deref(),
        route: route.filter(|route| route.starts_with('/')),
        custom_domain: domain.as_ref().is_some_and(|domain| !of_aws(domain)),
        stage_in_path,
    })
}

/// `/v1/{proxy+}` with the parameters of its path.
fn fill<'a>(route: &str, parameter: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut path = String::new();
    for segment in route.split('/').skip(1) {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        path.push('/');
        path.push_str(match name {
            None => segment,
            Some(name) => parameter(name.strip_suffix('+').unwrap_or(name))?,
        });
    }
    Some(path)
}

/// The end of `path` that is `own`, decoded or not.
fn tail<'a>(path: &'a str, own: &str) -> Option<&'a str> {
    if own == "/" {
        return Some("/");
    }
    let segments = own.matches('/').count();
    let (start, _) = path.rmatch_indices('/').nth(segments.checked_sub(1)?)?;
    let end = path.get(start..)?;
    let decoded = percent_decode_str(end).decode_utf8().ok()?;
    (end == own || decoded == own).then_some(end)
}

/// `/predict` of `/prod/predict`, and `/` of `/prod`.
fn behind_stage<'a>(stage: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix('/')?.strip_prefix(stage)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

/// `/predict` of `/base/path/predict`: a route `$default` does not say where the base path ends, so
/// it ends before the first segment that a path of the API begins with.
fn behind_base_path(path: &str) -> Option<&str> {
    let begins_path = |(start, _): &(usize, _)| {
        let rest = path.get(start + 1..).unwrap_or_default();
        ROOTS.contains(&rest.split('/').next().unwrap_or_default())
    };
    let (start, _) = path.match_indices('/').find(begins_path)?;
    path.get(start..)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_route_with_its_parameters_is_the_path_inside_the_api() {
        let parameter = |name: &str| (name == "proxy").then_some("models/m:predict");
        assert_eq!(fill("/{proxy+}", parameter).as_deref(), Some("/models/m:predict"));
        assert_eq!(fill("/v1/{proxy+}", parameter).as_deref(), Some("/v1/models/m:predict"));
        assert_eq!(fill("/predict", parameter).as_deref(), Some("/predict"));
        assert_eq!(fill("/", parameter).as_deref(), Some("/"));
        assert_eq!(fill("/{other}", parameter), None);
    }

    #[test]
    fn what_stands_before_the_path_inside_the_api_is_cut_off() {
        assert_eq!(tail("/glimpse/predict", "/predict"), Some("/predict"));
        assert_eq!(tail("/predict", "/predict"), Some("/predict"));
        assert_eq!(tail("/a/b/v1/models/m", "/v1/models/m"), Some("/v1/models/m"));
        assert_eq!(tail("/glimpse/v1/models/a%20b", "/v1/models/a b"), Some("/v1/models/a%20b"));
        assert_eq!(tail("/glimpse", "/"), Some("/"));
        assert_eq!(tail("/xpredict", "/predict"), None);
        assert_eq!(tail("/other", "/predict"), None);
    }

    #[test]
    fn without_a_route_the_base_path_ends_at_a_path_of_the_api() {
        assert_eq!(behind_base_path("/glimpse/predict"), Some("/predict"));
        assert_eq!(behind_base_path("/a/b/v2/health/live"), Some("/v2/health/live"));
        assert_eq!(behind_base_path("/v2/health/live"), Some("/v2/health/live"));
        assert_eq!(behind_base_path("/v1/models/predict"), Some("/v1/models/predict"));
        assert_eq!(behind_base_path("/glimpse/nothing"), None);
    }

    #[test]
    fn every_path_of_the_api_begins_with_a_known_segment() {
        let document = glimpse_api::openapi::document();
        let paths = document["paths"].as_object().unwrap().keys().filter(|path| *path != "/");
        let first = |path: &String| path.split('/').nth(1).unwrap_or_default().to_owned();
        let roots: BTreeSet<String> = paths.map(first).collect();
        let known: BTreeSet<String> = ROOTS.map(str::to_owned).into();
        assert!(roots.is_subset(&known), "{roots:?}");
    }
}
