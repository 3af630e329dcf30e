//! The embedded web page.

use std::sync::LazyLock;

use axum::response::Response;

use super::TAG;
use super::html::Html;

/// One document and no further request: behind a stage no relative link can go astray.
static PAGE: LazyLock<Html> = LazyLock::new(|| {
    Html::new(
        include_str!("../../assets/page/page.html"),
        include_str!("../../assets/page/page.css"),
        include_str!("../../assets/page/page.js"),
        "blob: data:",
    )
});

/// A web page to try it
#[utoipa::path(
    get,
    path = "/",
    operation_id = "page",
    tag = TAG,
    responses((status = 200, description = "A web page to try it", body = String, content_type = "text/html"))
)]
pub(super) async fn index() -> Response {
    PAGE.respond()
}
