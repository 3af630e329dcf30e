//! The embedded web page.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("../assets/page/page.css");
const SCRIPT: &str = include_str!("../assets/page/page.js");

/// One document and no further request: behind a stage no relative link can go astray.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let html = include_str!("../assets/page/page.html");
    html.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
});

/// Only this page's own script and style run; nothing is fetched from elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src blob: data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// `GET /`.
pub(crate) async fn index() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE.as_str())
}
