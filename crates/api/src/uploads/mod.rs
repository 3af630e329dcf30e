//! Uploads past the limits of a request: an address for the picture, then its result.

mod id;
pub(crate) mod results;
pub(crate) mod ticket;

use axum::Router;
use axum::routing::{get, post};

use crate::state::ApiState;

/// In the `OpenAPI` document.
const TAG: &str = "classify";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/uploads", post(ticket::upload))
        .route("/results/{id}", get(results::result))
}
