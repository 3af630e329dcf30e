//! The committed document is the one that the code describes, and has lost nothing since 0.1.0.

#![allow(clippy::expect_used, clippy::panic)]

mod facts;

use serde_json::Value;

const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

/// [`facts::facts`] of the document of 0.1.0: what its clients may rely on.
const OF_0_1_0: &str = include_str!("0.1.0.txt");

fn committed() -> Value {
    serde_json::from_str(COMMITTED).expect("docs/openapi.json is JSON")
}

#[test]
fn the_committed_document_is_made_from_this_code() {
    let made = glimpse_api::openapi::document();
    assert!(committed() == made, "docs/openapi.json is stale; `make openapi` renews it");
}

#[test]
fn no_path_field_status_code_or_example_of_0_1_0_is_lost() {
    let facts = facts::facts(&committed());
    let lost: Vec<&str> = OF_0_1_0.lines().filter(|line| !facts.contains(*line)).collect();
    assert!(lost.is_empty(), "{} facts are lost:\n{}", lost.len(), lost.join("\n"));
}
