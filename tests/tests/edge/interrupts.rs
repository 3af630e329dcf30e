//! Ctrl-C in the middle of things.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use glimpse_tests::edge::{Running, glimpse};
use image::ImageFormat;
use nix::sys::signal::Signal;

use super::classify::lines;
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};

#[test]
fn ctrl_c_leaves_whole_lines_of_what_was_done() {
    let (folder, bundle) = (tempfile::tempdir().unwrap(), toy::bundle(Graph::MeanColour));
    for number in 0..20 {
        let file = encode(&plain(8, 8, [200, 0, 0]), ImageFormat::Png);
        fs::write(folder.path().join(format!("{number:02}.png")), file).unwrap();
    }
    let mut command = glimpse(bundle.path());
    // Standard input stays open: the run cannot end by itself.
    command.arg("classify").arg(folder.path()).arg("-").stdin(Stdio::piped());
    let mut running = Running::start(command.stdout(Stdio::piped()));
    let mut output = BufReader::new(running.process().stdout.take().unwrap());
    let mut text = Vec::new();
    output.read_until(b'\n', &mut text).unwrap();
    running.signal(Signal::SIGINT);
    assert_eq!(running.end().code(), Some(130));
    output.read_to_end(&mut text).unwrap();
    let lines = lines(&text);
    assert!((8..=20).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|line| line["label"] == "red"));
}

#[test]
fn a_reader_who_has_enough_ends_it_quietly() {
    let (folder, bundle) = (tempfile::tempdir().unwrap(), toy::bundle(Graph::MeanColour));
    let file = encode(&plain(8, 8, [200, 0, 0]), ImageFormat::Png);
    for number in 0..50 {
        fs::write(folder.path().join(format!("{number:02}.png")), &file).unwrap();
    }
    let mut command = glimpse(bundle.path());
    command.arg("classify").arg(folder.path()).arg("-").stdin(Stdio::piped());
    let mut running = Running::start(command.stdout(Stdio::piped()));
    drop(running.process().stdout.take());
    assert_eq!(running.end().code(), Some(130));
    assert!(running.log().is_empty(), "{:?}", running.log());
}
