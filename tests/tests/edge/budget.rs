//! Memory as a budget: for pictures, batches and bodies, in every verb.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::glimpse;
use image::ImageFormat;
use serde_json::json;

use super::classify::lines;
use super::common::encode::{base64, encode, plain};
use super::common::toy::{self, Graph};
use super::http::{Answer, Connection, ask, get, post, post_json, post_with};
use super::serve::{red, serve};

/// A picture that takes 3 MB, and half a megabyte for its decoder.
fn large() -> Vec<u8> {
    encode(&plain(1000, 1000, [0, 0, 200]), ImageFormat::Png)
}

fn batch(pictures: &[Vec<u8>]) -> Vec<u8> {
    let images: Vec<_> = pictures.iter().map(|picture| base64(picture)).collect();
    post_json(&json!({ "images": images }))
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_picture_that_needs_more_than_the_budget_is_refused_at_once() {
    // Nothing is set aside for shared runs.
    let (_bundle, _running, address) = serve(&["--memory-budget", "4500000", "--batch-most", "1"]);
    let refused = ask(address, &post(&large()));
    assert_eq!(code(&refused), (413, "image_too_large".into()));
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("3000000 bytes of memory"), "{detail}");
    assert_eq!(ask(address, &post(&red())).status, 200);
    let mixed = ask(address, &batch(&[red(), large()])).json();
    assert_eq!(mixed["results"][0]["label"], "red", "{mixed}");
    assert_eq!(mixed["results"][1]["error"]["code"], "image_too_large", "{mixed}");
}

#[test]
fn pictures_of_a_batch_wait_for_one_anothers_memory() {
    // Room for one at a time, and for its body.
    let (_bundle, _running, address) = serve(&["--memory-budget", "7000000"]);
    let requests = batch(&vec![large(); 6]);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let requests = requests.clone();
            thread::spawn(move || ask(address, &requests))
        })
        .collect();
    for client in clients {
        let answer = client.join().unwrap();
        let results = answer.json()["results"].clone();
        let labels: Vec<_> = results.as_array().unwrap().iter().map(|one| &one["label"]).collect();
        assert_eq!(labels, ["blue"; 6], "{results}");
    }
}

#[test]
fn a_request_has_a_budget_of_pixels() {
    let (_bundle, _running, address) = serve(&["--max-request-pixels", "150"]);
    assert_eq!(ask(address, &batch(&[red(), red()])).status, 200);
    let refused = ask(address, &batch(&[red(), red(), red()]));
    assert_eq!(code(&refused), (413, "batch_too_large".into()));
    assert!(refused.json()["detail"].to_string().contains("216 pixels; the limit is 150"));
}

#[test]
fn classify_and_watch_keep_to_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("in");
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("large.png"), large()).unwrap();
    fs::write(pictures.join("small.png"), red()).unwrap();
    // More than the third that is for files.
    fs::write(pictures.join("padded.png"), [red(), vec![0; 2_000_000]].concat()).unwrap();
    let bundle = toy::bundle(Graph::MeanColour);
    let limited = || {
        let mut command = glimpse(bundle.path());
        command.env("GLIMPSE_MEMORY_BUDGET", "4500000").current_dir(folder.path());
        command
    };
    let output = limited().args(["classify", "in"]).output().unwrap();
    let of = |lines: &[serde_json::Value], name: &str| {
        let found = lines.iter().find(|line| line["file"].to_string().contains(name)).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {lines:?}"))
    };
    let found = lines(&output.stdout);
    assert_eq!(of(&found, "large")["error"]["code"], "image_too_large");
    assert_eq!(of(&found, "small")["label"], "red");
    assert_eq!(of(&found, "padded")["error"]["code"], "payload_too_large");

    let mut command = limited();
    command.args(["watch", "in", "--output", "out.ndjson", "--settle-ms", "1"]);
    let running = glimpse_tests::edge::Running::start(&mut command);
    let written = || fs::read(folder.path().join("out.ndjson")).unwrap_or_default();
    wait_until("watch has written", || {
        written().iter().filter(|byte| **byte == b'\n').count() == 3
    });
    drop(running);
    let found = lines(&written());
    assert_eq!(of(&found, "large")["error"]["code"], "image_too_large");
    assert_eq!(of(&found, "small")["label"], "red");
    assert_eq!(of(&found, "padded")["error"]["code"], "payload_too_large");
}

pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "not so: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A request that announces so many bytes and sends none.
fn announcing(address: SocketAddr, bytes: usize) -> Connection {
    let mut connection = Connection::open(address);
    let head = String::from_utf8(post(b"")).unwrap();
    let head = head.replace("content-length: 0", &format!("content-length: {bytes}"));
    connection.send(head.as_bytes());
    connection
}

#[test]
fn bodies_have_a_budget_from_their_announcement_on() {
    // A megabyte for bodies.
    let (_bundle, _running, address) = serve(&["--memory-budget", "3145728"]);
    let first = announcing(address, 900_000);
    super::serve::wait_until_one_is_in_flight(address);
    let mut refused = announcing(address, 300_000);
    let answer = refused.answer().unwrap();
    assert_eq!(code(&answer), (503, "overloaded".into()));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(ask(address, &get("/healthz")).status, 200);
    drop(first);
    wait_until("the memory is free again", || ask(address, &post(&red())).status == 200);
    let too_much = announcing(address, 2_000_000).answer().unwrap();
    assert_eq!(code(&too_much), (413, "payload_too_large".into()));
}

#[test]
fn a_body_without_a_length_takes_its_memory_as_it_grows() {
    let (_bundle, _running, address) = serve(&["--memory-budget", "3145728"]);
    let chunked = |picture: &[u8]| {
        let head = "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let mut request = head.as_bytes().to_vec();
        for piece in picture.chunks(100_000) {
            request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            request.extend_from_slice(piece);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        request
    };
    assert_eq!(ask(address, &chunked(&red())).status, 200);
    let padded = [red(), vec![0; 600_000]].concat();
    assert_eq!(ask(address, &chunked(&padded)).status, 200);
    let mut connection = Connection::open(address);
    let _ = connection.try_send(&chunked(&vec![0; 3_000_000]));
    assert!(connection.answer().is_none_or(|answer| answer.status == 413));
}

#[test]
fn a_compressed_body_reserves_what_it_may_become() {
    let (_bundle, _running, address) =
        serve(&["--memory-budget", "3145728", "--max-body-bytes", "2000000"]);
    let refused = ask(address, &post_with(&red(), "content-encoding: gzip\r\n"));
    // What may be unpacked of it is more than there is.
    assert_eq!(code(&refused), (413, "payload_too_large".into()));
}

#[test]
fn what_a_burst_took_is_given_back() {
    let (_bundle, running, address) = serve(&["--memory-budget", "3000000000"]);
    ask(address, &post(&red()));
    let before = running.memory();
    let connections: Vec<_> = (0..40)
        .map(|_| {
            let mut connection = announcing(address, 8 << 20);
            connection.send(&vec![1; (8 << 20) - 1]);
            connection
        })
        .collect();
    wait_until("the bodies are in memory", || running.memory() > before + (300 << 20));
    drop(connections);
    wait_until("their memory is free", || running.memory() < before + (64 << 20));
    assert_eq!(ask(address, &post(&red())).status, 200);
}
