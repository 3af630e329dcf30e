//! The `OpenAPI` document, and the page that renders it.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use sha2::{Digest as _, Sha256};

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
const STYLE: &str = include_str!("../assets/docs/docs.css");
const SCRIPT: &str = include_str!("../assets/docs/docs.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let html = include_str!("../assets/docs/docs.html");
    html.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
});

/// Only this page's own script and style run; nothing but the document is fetched.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// `GET /docs`.
pub(crate) async fn docs() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE.as_str())
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
