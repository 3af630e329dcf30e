//! The binary `glimpse` on its command line and its sockets.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod batching;
mod budget;
mod classify;
mod close;
mod connections;
mod cors;
mod decided;
mod formats;
#[allow(dead_code)] // Others use the rest.
mod http;
mod interrupts;
mod names;
mod objects;
mod overload;
mod provider;
mod serve;
mod swap;
mod terminal;
mod watch;
mod watch_kill;
