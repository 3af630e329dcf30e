//! Cross-origin requests: pages of other origins may use the API where an option names them.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderValue, Method, Uri};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

/// How long a browser may remember the answer to a preflight request.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The origins whose pages may use the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every one: `*`.
    Any,
    /// These, as browsers write them: `https://example.com`.
    These(Vec<HeaderValue>),
}

/// What is not an origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin; expected * or origins such as https://example.com, separated by commas"
)]
pub struct NotAnOrigin(String);

impl Origins {
    /// The layer that answers preflight requests, and marks answers as readable by these origins.
    pub fn layer(&self) -> CorsLayer {
        let origin = match self {
            Self::Any => AllowOrigin::any(),
            Self::These(origins) => AllowOrigin::list(origins.clone()),
        };
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(Any)
            .max_age(MAX_AGE)
    }
}

impl FromStr for Origins {
    type Err = NotAnOrigin;

    fn from_str(list: &str) -> Result<Self, NotAnOrigin> {
        if list.trim() == "*" {
            return Ok(Self::Any);
        }
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(origin).collect::<Result<_, _>>().map(Self::These)
    }
}

/// An origin as RFC 6454 writes it: lower case, without a path and without its scheme's own port.
fn origin(text: &str) -> Result<HeaderValue, NotAnOrigin> {
    let refused = || NotAnOrigin(text.to_owned());
    let uri: Uri = text.to_ascii_lowercase().parse().map_err(|_| refused())?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(refused()) };
    let own_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(refused()),
    };
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user || uri.path() != "/" || uri.query().is_some() || text.ends_with('/') {
        return Err(refused());
    }
    let origin = match uri.port_u16().filter(|port| *port != own_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    HeaderValue::from_str(&origin).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let origins: Origins = "https://Example.com:443, http://localhost:3000,".parse().unwrap();
        let these = ["https://example.com", "http://localhost:3000"].map(HeaderValue::from_static);
        assert_eq!(origins, Origins::These(these.to_vec()));
        assert_eq!("*".parse::<Origins>(), Ok(Origins::Any));
    }

    #[test]
    fn an_address_with_more_than_an_origin_is_refused() {
        for text in [
            "example.com",
            "https://example.com/",
            "https://a/b",
            "ftp://a",
            "null",
            "https://u@a",
            "*,https://a",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
