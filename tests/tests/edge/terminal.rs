//! `glimpse classify` on a terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use glimpse_tests::edge::glimpse;
use nix::pty::openpty;

use super::classify::pictures;
use super::common::toy::{self, Graph};

#[test]
fn a_terminal_gets_a_table() {
    let (folder, bundle) = (pictures(), toy::bundle(Graph::MeanColour));
    let pty = openpty(None, None).unwrap();
    let mut command = glimpse(bundle.path());
    command.current_dir(folder.path()).args(["classify", "."]);
    let mut process = command.stdout(Stdio::from(pty.slave)).stderr(Stdio::null()).spawn().unwrap();
    // The terminal's other end is closed once no process holds it.
    drop(command);
    assert!(process.wait().unwrap().success());
    let mut text = Vec::new();
    // Linux tells the end of a terminal as an error.
    let _ = File::from(pty.master).read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
    insta::assert_snapshot!(text);
}
