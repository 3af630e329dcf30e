//! The `OpenAPI` document, and the page that renders it.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header;

use super::TAG;
use super::html::Html;
use crate::openapi::UnauthorizedProblem;

const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

static PAGE: LazyLock<Html> = LazyLock::new(|| {
    Html::new(
        include_str!("../../assets/docs/docs.html"),
        include_str!("../../assets/docs/docs.css"),
        include_str!("../../assets/docs/docs.js"),
        "'none'",
    )
});

/// This document as a page
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    tag = TAG,
    responses(
        (status = 200, description = "This document as a page", body = String, content_type = "text/html"),
        UnauthorizedProblem
    )
)]
pub(super) async fn docs() -> Response {
    PAGE.respond()
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = TAG,
    responses(
        (status = 200, description = "This document", body = Object, content_type = "application/json"),
        UnauthorizedProblem
    )
)]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
