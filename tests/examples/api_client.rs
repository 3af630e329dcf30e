//! The Rust client of `docs/api.md`.

include!(concat!(env!("OUT_DIR"), "/api_client.rs"));
