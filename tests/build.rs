//! Takes the Rust client out of `docs/api.md`, so that the example compiles what people read.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let page = "../docs/api.md";
    println!("cargo::rerun-if-changed={page}");
    let text = std::fs::read_to_string(page)?;
    let snippet = text.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let snippet = snippet.ok_or("docs/api.md has no Rust snippet")?;
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("api_client.rs"), snippet)?;
    Ok(())
}
