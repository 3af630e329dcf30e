//! The embedded web page.

use std::sync::LazyLock;

use axum::response::Response;

use crate::html::Html;

/// One document and no further request: behind a stage no relative link can go astray.
static PAGE: LazyLock<Html> = LazyLock::new(|| {
    Html::new(
        include_str!("../assets/page/page.html"),
        include_str!("../assets/page/page.css"),
        include_str!("../assets/page/page.js"),
        "blob: data:",
    )
});

/// `GET /`.
pub(crate) async fn index() -> Response {
    PAGE.respond()
}
