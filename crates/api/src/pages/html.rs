//! A page in one document under a strict policy: what a route needs to answer it.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use sha2::{Digest as _, Sha256};

/// A page with its own style and script in it, so that it needs no further request.
pub(crate) struct Html {
    text: String,
    policy: String,
}

impl Html {
    /// `html` has the places `{{style}}` and `{{script}}`; `images` are the sources of pictures that
    /// the page may show. Only its own style and script run, and it may call only its own origin.
    pub(crate) fn new(html: &str, style: &str, script: &str, images: &str) -> Self {
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; \
             img-src {images}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            hash(script),
            hash(style)
        );
        Self { text: html.replace("{{style}}", style).replace("{{script}}", script), policy }
    }

    /// The answer.
    pub(crate) fn respond(&'static self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, self.policy.as_str()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (headers, self.text.as_str()).into_response()
    }
}
