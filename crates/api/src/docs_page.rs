//! The `OpenAPI` document, and the page that renders it.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header;

use crate::html::Html;

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

static PAGE: LazyLock<Html> = LazyLock::new(|| {
    Html::new(
        include_str!("../assets/docs/docs.html"),
        include_str!("../assets/docs/docs.css"),
        include_str!("../assets/docs/docs.js"),
        "'none'",
    )
});

/// `GET /docs`.
pub(crate) async fn docs() -> Response {
    PAGE.respond()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
