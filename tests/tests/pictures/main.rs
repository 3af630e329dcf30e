//! Pictures into the engine: the same numbers as Pillow and torchvision, whatever the format, and
//! no bytes that bring it down.

#[path = "../common/mod.rs"]
mod common;

mod formats;
mod mutated;
mod parity;
mod prepared;
