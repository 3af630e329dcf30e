//! `glimpse watch`: pictures that come, in all the ways they do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::s3::S3Server;
use image::ImageFormat;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::classify::lines;
use super::common::encode::{encode, pages, plain};
use super::common::toy::{self, Graph};

/// A watched folder, its output, and a model.
pub struct Scene {
    pub folder: TempDir,
    pub other: TempDir,
    bundle: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(toy::bundle(Graph::MeanColour))
    }

    fn with(bundle: TempDir) -> Self {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Self { folder, other, bundle }
    }

    pub fn command(&self) -> Command {
        let mut command = glimpse(self.bundle.path());
        command
            .arg("watch")
            .arg(self.folder.path())
            .arg("--output")
            .arg(self.other.path().join("labels.ndjson"))
            .args(["--settle-ms", "300", "--rescan-ms", "500"]);
        command
    }

    pub fn lines(&self) -> Vec<Value> {
        let output = fs::read(self.other.path().join("labels.ndjson")).unwrap_or_default();
        let whole = output.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        lines(&output[..whole])
    }

    /// The labels by file, once there are `count` lines.
    pub fn labels(&self, count: usize) -> BTreeMap<String, String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.lines().len() < count {
            assert!(Instant::now() < deadline, "{:?}", self.lines());
            thread::sleep(Duration::from_millis(10));
        }
        let lines = self.lines();
        assert_eq!(lines.len(), count, "{lines:?}");
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        lines.iter().map(|line| (text(&line["file"]), text(&line["label"]))).collect()
    }

    fn put(&self, name: &str, colour: [u8; 3]) {
        fs::write(self.folder.path().join(name), png(colour)).unwrap();
    }
}

pub fn png(colour: [u8; 3]) -> Vec<u8> {
    encode(&plain(9, 8, colour), ImageFormat::Png)
}

fn labels<const N: usize>(expected: [(&str, &str); N]) -> BTreeMap<String, String> {
    expected.map(|(file, label)| (file.to_owned(), label.to_owned())).into()
}

fn wait_for(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} is not there", file.display());
        thread::sleep(Duration::from_millis(10));
    }
}

fn stop(mut running: Running) {
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn what_is_there_and_what_comes_is_classified_and_other_files_are_not() {
    let scene = Scene::new();
    scene.put("there.png", [200, 0, 0]);
    scene.put(".hidden.png", [200, 0, 0]);
    fs::create_dir(scene.folder.path().join(".versions")).unwrap();
    scene.put(".versions/old.png", [200, 0, 0]);
    let running = Running::start(&mut scene.command());
    running.wait_for("watching");
    let thrown = tempfile::tempdir().unwrap().keep();
    fs::write(thrown.join("away.png"), png([200, 0, 0])).unwrap();
    fs::rename(thrown, scene.folder.path().join(".versions/thrown")).unwrap();
    scene.put("comes.png", [0, 200, 0]);
    scene.put(".versions/older.png", [200, 0, 0]);
    fs::write(scene.folder.path().join("notes.txt"), "words").unwrap();
    fs::create_dir(scene.folder.path().join("sub")).unwrap();
    scene.put("sub/deep.png", [0, 0, 200]);
    fs::write(scene.folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let expected = [
        ("broken.png", "none"),
        ("comes.png", "green"),
        ("sub/deep.png", "blue"),
        ("there.png", "red"),
    ];
    assert_eq!(scene.labels(4), labels(expected));
    let lines = scene.lines();
    let broken = lines.iter().find(|line| line["file"] == "broken.png").unwrap();
    assert_eq!(broken["error"]["code"], "corrupt_image");
    assert!(lines.iter().all(|line| line["model"]["name"] == "toy"));
    stop(running);
}

#[test]
fn a_line_counts_the_pages_and_is_that_of_the_first() {
    let scene = Scene::new();
    fs::write(scene.folder.path().join("scan.tif"), pages(&[[200, 0, 0], [0, 0, 200]])).unwrap();
    let running = Running::start(&mut scene.command());
    assert_eq!(scene.labels(1), labels([("scan.tif", "red")]));
    assert_eq!(scene.lines()[0]["pages"], 2);
    stop(running);
}

#[test]
fn a_slow_writer_and_a_rename_give_one_line_each() {
    let scene = Scene::new();
    let running = Running::start(&mut scene.command());
    running.wait_for("watching");
    let content = png([200, 0, 0]);
    let mut slow = File::create(scene.folder.path().join("slow.png")).unwrap();
    for part in content.chunks(content.len() / 3 + 1) {
        slow.write_all(part).unwrap();
        // Longer than a picture nobody writes needs to settle, and than a look through the folder.
        thread::sleep(Duration::from_millis(700));
    }
    assert!(scene.lines().is_empty(), "{:?}", scene.lines());
    drop(slow);
    scene.put(".renamed.png.part", [0, 200, 0]);
    let part = scene.folder.path().join(".renamed.png.part");
    fs::rename(part, scene.folder.path().join("renamed.png")).unwrap();
    assert_eq!(scene.labels(2), labels([("renamed.png", "green"), ("slow.png", "red")]));
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(scene.lines().len(), 2);
    stop(running);
}

#[test]
fn a_restart_does_what_is_new_and_nothing_twice() {
    let scene = Scene::new();
    scene.put("a.png", [200, 0, 0]);
    scene.put("b.png", [0, 200, 0]);
    let running = Running::start(&mut scene.command());
    scene.labels(2);
    stop(running);
    scene.put("c.png", [0, 0, 200]);
    scene.put("b.png", [200, 0, 0]);
    let running = Running::start(&mut scene.command());
    // Another picture under an old name is another picture.
    let expected = [("a.png", "red"), ("b.png", "red"), ("c.png", "blue")];
    assert_eq!(scene.labels(4), labels(expected));
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(scene.lines().len(), 4);
    stop(running);
}

#[test]
fn of_several_labels_the_best_that_a_picture_has_is_its_folder() {
    let scene = Scene::with(toy::several_labels());
    let shelf = scene.other.path().join("shelf");
    let start = || Running::start(scene.command().arg("--move-to").arg(&shelf));
    let running = start();
    scene.put("two.png", [200, 100, 201]);
    scene.put("none.png", [0, 0, 0]);
    fs::write(scene.folder.path().join("broken.png"), "words").unwrap();
    for name in ["red/two.png", "unlabelled/none.png", "_broken/broken.png"] {
        wait_for(&shelf.join(name));
    }
    stop(running);
    let two = scene.lines().into_iter().find(|line| line["file"] == "two.png").unwrap();
    assert_eq!((&two["label"], two["labels"].as_array().unwrap().len()), (&"blue".into(), 2));

    // Classified, but the process ended before the move: the next one moves them, unread.
    scene.put("one.png", [50, 0, 210]);
    scene.put("dark.png", [1, 0, 0]);
    let running = Running::start(&mut scene.command());
    scene.labels(5);
    stop(running);
    let running = start();
    wait_for(&shelf.join("red/one.png"));
    wait_for(&shelf.join("unlabelled/dark.png"));
    assert_eq!(scene.lines().len(), 5);
    stop(running);
}

#[test]
fn pictures_are_moved_into_folders_by_label() {
    let scene = Scene::new();
    let shelf = scene.other.path().join("shelf");
    let start = || Running::start(scene.command().arg("--move-to").arg(&shelf));
    scene.put("a.png", [200, 0, 0]);
    fs::create_dir(scene.folder.path().join("sub")).unwrap();
    scene.put("sub/a.png", [210, 0, 0]);
    fs::write(scene.folder.path().join("b.png"), "words").unwrap();
    let running = start();
    let wait = |name: &str| wait_for(&shelf.join(name));
    ["red/a.png", "red/a-1.png", "_broken/b.png"].iter().for_each(|name| wait(name));
    stop(running);
    assert_eq!(scene.lines().len(), 3);

    // Classified, but the process ended before the move: the next one moves it, unread.
    scene.put("c.png", [0, 200, 0]);
    let running = Running::start(&mut scene.command());
    scene.labels(4);
    stop(running);
    let running = start();
    wait("green/c.png");
    assert!(!scene.folder.path().join("c.png").exists());
    assert_eq!(scene.lines().len(), 4);
    stop(running);
}

#[test]
fn without_a_network_the_cached_bundle_serves() {
    let scene = Scene::new();
    let cache = tempfile::tempdir().unwrap();
    let server = S3Server::start(&["models"]);
    let uri = server.publish(scene.bundle.path(), "models", "toy");
    let command = || {
        let mut command = scene.command();
        command.env("GLIMPSE_MODEL_URI", &uri).env("GLIMPSE_CACHE_DIR", cache.path());
        command.envs(server.environment());
        command
    };
    let running = Running::start(&mut command());
    running.wait_for("watching");
    let deadline = Instant::now() + Duration::from_secs(60);
    while walk(cache.path()).iter().filter(|name| *name == "bundle.json").count() == 0 {
        assert!(Instant::now() < deadline, "the bundle is not cached");
        thread::sleep(Duration::from_millis(10));
    }
    stop(running);
    // Nobody listens there: the network is gone.
    let mut offline = command();
    let running = Running::start(offline.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"));
    running.wait_for("watching");
    scene.put("a.png", [0, 200, 0]);
    assert_eq!(scene.labels(1), labels([("a.png", "green")]));
    stop(running);
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            // One that is being written has another name.
            true if entry.file_name().as_encoded_bytes().starts_with(b".") => Vec::new(),
            true => walk(&entry.path()),
            false => vec![entry.file_name().to_string_lossy().into_owned()],
        })
        .collect()
}

#[test]
fn another_programs_file_is_not_appended_to_and_an_output_has_one_writer() {
    let scene = Scene::new();
    let output = scene.other.path().join("labels.ndjson");
    fs::write(&output, "a diary\n").unwrap();
    let refused = scene.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&output).unwrap(), "a diary\n");
    fs::remove_file(&output).unwrap();
    let running = Running::start(&mut scene.command());
    running.wait_for("watching");
    let refused = scene.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"));
    stop(running);
}

#[test]
fn a_long_output_is_rotated_and_each_picture_has_one_line() {
    let scene = Scene::new();
    let sorted = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = scene.command();
        Running::start(command.args(["--rotate-bytes", "100"]).arg("--move-to").arg(sorted.path()))
    };
    let running = start();
    running.wait_for("watching");
    let file = |name: &str| scene.other.path().join(name);
    for (number, name) in ["a.png", "b.png", "c.png"].iter().enumerate() {
        scene.put(name, [200, 0, 0]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !file(&format!("labels.ndjson.{}", number + 1)).exists() {
            assert!(Instant::now() < deadline, "{name}: the output is not rotated");
            thread::sleep(Duration::from_millis(10));
        }
    }
    stop(running);
    // Each was moved, so that no line of it is needed in the next output.
    let files = (1..=3).map(|number| fs::read(file(&format!("labels.ndjson.{number}"))).unwrap());
    let names: Vec<_> =
        files.flat_map(|output| lines(&output)).map(|l| l["file"].clone()).collect();
    assert_eq!(names, ["a.png", "b.png", "c.png"]);
    assert_eq!(scene.lines(), [Value::Null; 0]);
    let running = start();
    running.wait_for("watching");
    stop(running);
    assert_eq!(scene.lines(), [Value::Null; 0]);
}
