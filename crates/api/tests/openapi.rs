//! The committed document is the one that the code describes.

use serde_json::Value;

const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[test]
fn the_committed_document_is_made_from_this_code() {
    let made = glimpse_api::openapi::document();
    let committed: Value = serde_json::from_str(COMMITTED).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is stale; `make openapi` renews it");
}
