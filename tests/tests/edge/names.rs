//! Which files are taken, and what they are called.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use glimpse_tests::edge::{Running, glimpse};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::classify::lines;
use super::common::toy::{self, Graph};
use super::watch::{Scene, png};

const RED: [u8; 3] = [200, 0, 0];
const BLUE: [u8; 3] = [0, 0, 200];

fn put(folder: &Path, name: impl AsRef<Path>, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Exit status, files of the lines, and standard error of `glimpse classify .` in `folder`.
fn classify(folder: &Path) -> (Option<i32>, Vec<String>, String) {
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    let output = command.current_dir(folder).args(["classify", "."]).output().unwrap();
    let files = lines(&output.stdout);
    let files = files.iter().map(|line| line["file"].as_str().unwrap().to_owned()).collect();
    (output.status.code(), files, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn hidden_system_and_other_files_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cat/a.jfif", "cat/b.JPE", "dog/c.png"] {
        put(folder.path(), name, &png(RED));
    }
    for name in ["__MACOSX/cat/._a.jpg", ".ipynb_checkpoints/a.png", "cat/Thumbs.db", "._c.png"] {
        put(folder.path(), name, &png(BLUE));
    }
    put(folder.path(), "notes.txt", b"words");
    put(folder.path(), "dog/more.txt", b"words");
    put(folder.path(), "README", b"words");
    let (status, files, error) = classify(folder.path());
    assert_eq!(files, ["./cat/a.jfif", "./cat/b.JPE", "./dog/c.png"]);
    let expected = "left out, as not pictures: 2 .txt, 1 without an ending, 4 hidden\n";
    assert_eq!((status, error.as_str()), (Some(0), expected));
}

#[test]
fn a_folder_of_other_files_alone_is_a_failure_and_an_empty_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(classify(folder.path()).0, Some(0));
    put(folder.path(), "a.psd", b"8BPS");
    let (status, files, error) = classify(folder.path());
    assert!(files.is_empty());
    assert_eq!(status, Some(1));
    assert!(error.contains("left out, as not pictures: 1 .psd"), "{error}");
}

#[test]
fn a_watch_takes_the_same_files_and_reports_the_others() {
    let scene = Scene::new();
    put(scene.folder.path(), "a.jfif", &png(RED));
    put(scene.folder.path(), "__MACOSX/b.png", &png(RED));
    put(scene.folder.path(), "notes.txt", b"words");
    let running = Running::start(&mut scene.command());
    put(scene.folder.path(), "c.jpe", &png(BLUE));
    assert_eq!(scene.labels(2).into_keys().collect::<Vec<_>>(), ["a.jfif", "c.jpe"]);
    let line = running.wait_for("files that are not pictures");
    assert_eq!(line["left_out"], "1 .txt, 1 hidden");
}

#[test]
fn twins_whose_names_are_not_utf8_have_a_line_and_a_folder_each() {
    let scene = Scene::new();
    let outbox = scene.other.path().join("sorted");
    let twins = [(&b"caf\xe8.png"[..], RED, "red"), (b"caf\xe9.png", BLUE, "blue")];
    let time = SystemTime::now() - Duration::from_secs(3600);
    // Of one size and one time: only the names differ.
    let size = twins.map(|(_, colour, _)| png(colour).len()).into_iter().max().unwrap();
    for (name, colour, _) in twins {
        let mut content = png(colour);
        content.resize(size, 0);
        let path = scene.folder.path().join(OsStr::from_bytes(name));
        fs::write(&path, content).unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let mut running = Running::start(scene.command().arg("--move-to").arg(&outbox));
    scene.labels(2);
    let moved = |(name, _, label): (&[u8], _, &str)| {
        outbox.join(label).join(OsStr::from_bytes(name)).exists()
    };
    for _ in 0..1000 {
        if twins.into_iter().all(moved) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(twins.into_iter().all(moved), "{:?}", scene.lines());
    running.signal(Signal::SIGTERM);
    running.end();
    let mut lines = scene.lines();
    lines.sort_by_key(|line| line["file_base64"].as_str().map(str::to_owned));
    let seen = |key| lines.iter().map(|line: &Value| line[key].clone()).collect::<Vec<_>>();
    assert_eq!(seen("file"), ["caf\u{fffd}.png"; 2]);
    assert_eq!(seen("file_base64"), ["Y2Fm6C5wbmc=", "Y2Fm6S5wbmc="]);
    assert_eq!(seen("label"), ["red", "blue"]);
}

#[test]
fn a_watch_follows_no_link_out_of_its_folder() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "secret.png", &png(RED));
    put(scene.folder.path(), "a.png", &png(RED));
    let link = |to: &Path, name: &str| symlink(to, scene.folder.path().join(name)).unwrap();
    link(outside.path(), "folder");
    link(&outside.path().join("secret.png"), "b.png");
    let running = Running::start(&mut scene.command());
    assert_eq!(
        running.wait_for("files that are not pictures")["left_out"],
        "2 linked from outside"
    );
    running.wait_for("watching");
    link(&outside.path().join("secret.png"), "c.png");
    put(outside.path(), "late.png", &png(RED));
    put(scene.folder.path(), "d.png", &png(BLUE));
    assert_eq!(scene.labels(2).into_keys().collect::<Vec<_>>(), ["a.png", "d.png"]);
    // Two looks through the folder.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(scene.lines().len(), 2);
}
