//! The embedded web page and the `OpenAPI` document.

use axum::response::IntoResponse;
use http::header;

/// Only this page's own inline script and style run; nothing is fetched from elsewhere. The hashes
/// are of the text between the tags; a test checks them.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; img-src blob:; base-uri 'none'; form-action 'none'; ",
    "frame-ancestors 'none'; ",
    "script-src 'sha256-gAfj8i1mt813N9Th2MDU+FHDoQbn25tkGU+TMj+i7no='; ",
    "style-src 'sha256-Es9JSiVSDl0gPN/khKOppMRqxT7Apbjqu2qMaRYmbxI='"
);

/// `GET /`.
pub(crate) async fn index() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, include_str!("../assets/index.html"))
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../assets/openapi.json"))
}
