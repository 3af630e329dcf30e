//! The function's binary under AWS's Lambda runtime interface emulator, its model in S3.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod function;
mod hidden_cpu;
mod triggers;
