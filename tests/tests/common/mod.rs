//! What the test binaries share: the API in this process, requests to it, its answers.

#![allow(dead_code)] // Each binary uses its part.

pub mod answer;
pub mod api;
pub mod close;
pub mod encode;
pub mod toy;
