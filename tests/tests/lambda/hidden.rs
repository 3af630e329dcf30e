//! Files that a sandbox hides; the function must not mind.

use std::process::Command;

use glimpse_tests::event;
use glimpse_tests::skip::skip;

use crate::common::answer::without_timing;
use crate::common::api::{cat, expected};
use crate::function::{Stack, ok};

/// An empty file system over a folder, seen by this process and its children alone.
const HIDE_CPUS: &str = r#"mount -t tmpfs none /sys/devices/system/cpu && exec "$0" "$@""#;
const HIDE_PROCESSES: &str = r#"mount -t tmpfs none /proc && exec "$0" "$@""#;

/// `unshare` as root makes the mount namespace directly, otherwise through a user namespace.
const WAYS: [[&str; 2]; 2] = [["unshare", "--mount"], ["unshare", "--map-root-user"]];

fn hiding(hide: &'static str, way: [&'static str; 2]) -> Vec<&'static str> {
    let mut command = way.to_vec();
    if way[1] != "--mount" {
        command.push("--mount");
    }
    command.extend(["sh", "-c", hide]);
    command
}

fn the_answer_is_the_same(hide: &'static str) {
    let works = |command: &Vec<&str>| {
        let output = Command::new(command[0]).args(&command[1..]).arg("true").output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(before) = WAYS.map(|way| hiding(hide, way)).into_iter().find(works) else {
        return skip("hidden", "this user may not mount in a namespace of its own");
    };
    let stack = Stack::new();
    let function = stack.start_with(&before, &[]);
    let answer = ok(&function.invoke(&event::predict(&cat())));
    assert_eq!(without_timing(answer), expected(&cat(), 5));
}

/// Lambda hides the files from which ONNX Runtime learns what CPU it has.
#[test]
fn without_the_cpus_files() {
    the_answer_is_the_same(HIDE_CPUS);
}

/// Then no pipe can be opened by a path, and the model is read from memory.
#[test]
fn without_the_open_files_of_processes() {
    the_answer_is_the_same(HIDE_PROCESSES);
}
