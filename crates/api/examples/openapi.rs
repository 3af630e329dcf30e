//! Writes `docs/openapi.json`: `make openapi`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let document = serde_json::to_string_pretty(&glimpse_api::openapi::document())?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    std::fs::write(file, document + "\n")
}
