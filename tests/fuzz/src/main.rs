//! libFuzzer over every reader of bytes from outside. `FUZZ_TARGET` names the reader; see `run`.

#![no_main]

mod allocations;
mod decoders;
mod events;
mod panics;
mod requests;
mod targets;

use std::sync::LazyLock;

use allocations::Counting;
use libfuzzer_sys::fuzz_target;
use targets::Target;

#[global_allocator]
static ALLOCATIONS: Counting = Counting::new();

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    panics::keep_those_of_libraries();
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    Target::named(&name)
        .unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`; `run` lists the targets"))
});

fuzz_target!(|data: &[u8]| TARGET.try_on(data));
