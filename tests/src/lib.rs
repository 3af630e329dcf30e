//! Starts the real servers that the tests, the demo and the benchmarks speak to: an S3 server with
//! faults on demand, and the function under AWS's Lambda runtime interface emulator.

pub mod cgroup;
pub mod edge;
pub mod emulator;
pub mod event;
pub mod function;
pub mod gateway;
pub mod jpeg;
mod loopback;
pub mod runtime_api;
pub mod s3;
pub mod skip;
pub mod workspace;
