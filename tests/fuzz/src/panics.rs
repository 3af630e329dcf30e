//! Which panics are findings.
//!
//! A decoder that panics loses one picture, because `decode` catches it; with overflow checks on, decoders
//! panic where a release build wraps. So a panic inside a library is counted and printed once per place, and
//! only one in this repository's own code ends the run. A panic that cannot be caught ends it in any case.

use std::collections::HashSet;
use std::panic::{PanicHookInfo, set_hook};
use std::sync::Mutex;

static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

pub fn keep_those_of_libraries() {
    set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if place.contains("/registry/src/") {
            report_once(&place, panic);
        } else {
            eprintln!("{panic}");
            std::process::abort();
        }
    }));
}

fn report_once(place: &str, panic: &PanicHookInfo<'_>) {
    let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if seen.get_or_insert_default().insert(place.to_owned()) {
        eprintln!("caught: {panic}");
    }
}
