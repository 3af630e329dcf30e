//! A JPEG whose label is too close to call at reduced scale is decoded again, by every verb.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::LazyLock;

use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::s3::S3Server;
use image::ImageFormat;

use super::classify::lines;
use super::common::api::{block_on, store};
use super::common::close::{Close, close, sure};
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{ask, counted, post};
use super::serve::serve;
use super::watch::Scene;

/// 3 MB at full scale.
static PICTURE: LazyLock<Close> = LazyLock::new(|| {
    let bundle = toy::bundle(Graph::MeanColour);
    let model = block_on(store(bundle.path()).get()).unwrap();
    close(&model, 1000)
});

fn full() -> &'static str {
    &PICTURE.full.top.label
}

fn decoded_again(address: SocketAddr) -> u32 {
    counted(address, "glimpse_decoded_again_total")
}

#[test]
fn a_server_decodes_it_twice_and_a_sure_picture_once() {
    let (_bundle, _running, address) = serve(&[]);
    assert_eq!(ask(address, &post(&sure())).json()["label"], "red");
    assert_eq!(decoded_again(address), 0);
    assert_eq!(ask(address, &post(&PICTURE.file)).json()["label"], full());
    assert_eq!(decoded_again(address), 1);
}

#[test]
fn what_the_budget_never_holds_at_full_scale_keeps_its_label() {
    // Nothing is set aside for shared runs; two thirds are for pictures.
    let (_bundle, _running, address) = serve(&["--memory-budget", "4500000", "--batch-most", "1"]);
    assert_eq!(ask(address, &post(&PICTURE.file)).json()["label"], PICTURE.reduced);
    assert_eq!(decoded_again(address), 0);
    let large = encode(&plain(1000, 1000, [0, 0, 200]), ImageFormat::Png);
    assert_eq!(ask(address, &post(&large)).status, 413);
}

#[test]
fn pictures_that_are_decoded_twice_wait_for_memory_twice() {
    // Room for one at full scale, and for two bodies.
    let (_bundle, _running, address) = serve(&["--memory-budget", "9900000", "--batch-most", "1"]);
    let client = move || {
        let labels = (0..3).map(|_| ask(address, &post(&PICTURE.file)).json()["label"].clone());
        labels.collect::<Vec<_>>()
    };
    let clients = [(); 2].map(|()| std::thread::spawn(client));
    for client in clients {
        assert_eq!(client.join().unwrap(), [full(); 3]);
    }
    assert_eq!(decoded_again(address), 6);
}

#[test]
fn files_standard_input_and_objects_are_read_again() {
    let (bundle, folder) = (toy::bundle(Graph::MeanColour), tempfile::tempdir().unwrap());
    let server = S3Server::start(&["photos"]);
    server.put("photos", "one.jpg", PICTURE.file.clone());
    let put = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    for number in 0..9 {
        put(&format!("{number}-close.jpg"), &PICTURE.file);
        put(&format!("{number}-sure.jpg"), &sure());
    }
    put("5-none.jpg", b"none");
    let mut command = glimpse(bundle.path());
    command.envs(server.environment()).current_dir(folder.path());
    command.args(["classify", ".", "-", "s3://photos/one.jpg"]).stdout(Stdio::piped());
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &PICTURE.file).unwrap();
    let lines = lines(&child.wait_with_output().unwrap().stdout);
    assert_eq!(lines.len(), 21, "{lines:?}");
    for line in &lines {
        let name = line["file"].as_str().unwrap();
        let expected = match () {
            () if name.contains("none") => None,
            () if name.contains("sure") => Some("red"),
            () => Some(full()),
        };
        assert_eq!(line["label"].as_str(), expected, "{line}");
    }
}

#[test]
fn a_watched_picture_is_decoded_again() {
    let scene = Scene::new();
    let put = |name: &str, content: &[u8]| {
        fs::write(scene.folder.path().join(name), content).unwrap();
    };
    put("close.jpg", &PICTURE.file);
    put("sure.jpg", &sure());
    let _running = Running::start(&mut scene.command());
    let labels = scene.labels(2);
    assert_eq!((labels["close.jpg"].as_str(), labels["sure.jpg"].as_str()), (full(), "red"));
}
