//! The web page, and the `OpenAPI` document with the page that renders it.

pub(crate) mod docs;
mod html;
pub(crate) mod page;

use axum::Router;
use axum::routing::get;

use crate::state::ApiState;

/// In the `OpenAPI` document.
const TAG: &str = "service";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::docs))
        .route("/", get(page::index))
}
