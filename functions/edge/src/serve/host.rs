//! Names under which the server may be asked for.
//!
//! A page of another site may have its own name lead to this machine (DNS rebinding), and its scripts
//! then ask a server that only this machine can reach. Their requests carry the name of the site.

use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use glimpse_api::Problem;
use http::header::HOST;
use http::uri::Authority;

/// Names of hosts besides `localhost` and addresses, which no site can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Arc<[String]>);

impl FromStr for Hosts {
    type Err = Infallible;

    fn from_str(list: &str) -> Result<Self, Infallible> {
        let names = list.split(',').map(|name| name.trim().to_ascii_lowercase());
        Ok(Self(names.filter(|name| !name.is_empty()).collect()))
    }
}

impl Hosts {
    fn allow(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.0.iter().any(|name| name == host || name == "*")
    }

    /// Browsers always name the host; a request without one is from no browser and is let through.
    fn allow_request(&self, request: &Request) -> bool {
        let mut named = request.headers().get_all(HOST).iter();
        let header = match (named.next(), named.next()) {
            (None, _) => None,
            (Some(host), None) => match Authority::try_from(host.as_bytes()) {
                Ok(authority) => Some(authority.host().to_owned()),
                Err(_) => return false,
            },
            (Some(_), Some(_)) => return false,
        };
        let of_address = request.uri().host().map(str::to_owned);
        header.iter().chain(&of_address).all(|host| self.allow(host))
    }
}

/// Let a request through that asks for one of the names.
pub async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.allow_request(&request) {
        next.run(request).await
    } else {
        Problem::UnknownHost.into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(hosts: &str, lines: &[&str]) -> bool {
        let Ok(hosts) = hosts.parse::<Hosts>();
        let builder = Request::get("/model");
        let request = lines.iter().fold(builder, |builder, host| builder.header(HOST, *host));
        hosts.allow_request(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn names_that_a_site_can_have_are_refused() {
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil", ""]
        {
            assert!(!allowed("", &[host]), "{host}");
        }
        assert!(!allowed("", &["localhost", "evil.example"]));
    }

    #[test]
    fn this_machine_addresses_and_listed_names_are_allowed() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "app.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.0.2.7",
        ] {
            assert!(allowed("", &[host]), "{host}");
        }
        assert!(allowed("kiosk.example, camera", &["Kiosk.Example:443"]));
        assert!(allowed("*", &["evil.example"]));
        assert!(allowed("", &[]));
    }

    #[test]
    fn the_address_of_a_request_counts_too() {
        let request = Request::get("http://evil.example/model").header(HOST, "localhost");
        assert!(!Hosts::default().allow_request(&request.body(Body::empty()).unwrap()));
    }
}
