//! Each example does what it says, with the default bundle and real images.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use glimpse_tests::s3::S3Server;
use glimpse_tests::workspace;

/// The example's program, beside the folder of this test's.
fn example(name: &str) -> Command {
    let me = std::env::current_exe().unwrap();
    let profile = me.ancestors().nth(2).map(PathBuf::from).unwrap_or_default();
    let mut command = Command::new(profile.join("examples").join(name));
    command.env("GLIMPSE_ORT_LIBRARY", workspace::ort_library()).stdin(Stdio::null());
    command
}

#[test]
fn classify_file_prints_the_best_label_first() {
    let output = example("classify_file")
        .args([workspace::default_bundle(), workspace::ort_library()])
        .arg(workspace::picture("coffee.png"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().next().unwrap_or_default().ends_with("espresso"), "{text}");
}

#[test]
fn own_server_answers_the_api_and_its_own_route() {
    let mut server = Ended(
        example("own_server")
            .arg("127.0.0.1:0")
            .env("GLIMPSE_MODEL_URI", workspace::default_bundle())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().to_owned();
    let image = std::fs::read(workspace::picture("coffee.png")).unwrap();
    let answer = ask(&address, "POST /predict", &image);
    assert!(answer.contains("\"label\":\"espresso\""), "{answer}");
    assert!(ask(&address, "GET /about", &[]).ends_with("by Glimpse\n"));
}

#[test]
fn own_worker_labels_each_object_once() {
    let server = S3Server::start(&["models", "holidays"]);
    let uri = server.publish(&workspace::default_bundle(), "models", "default");
    let image = std::fs::read(workspace::picture("coffee.png")).unwrap();
    server.put("holidays", "2026/cup.png", image);
    server.put("holidays", "2026/note.txt", b"not an image".to_vec());
    for _ in 0..2 {
        let cache = workspace::root().join("target/tmp/own-worker");
        let output = example("own_worker")
            .args(["holidays", "2026/"])
            .envs(server.environment())
            .env("GLIMPSE_MODEL_URI", &uri)
            .env("GLIMPSE_CACHE_DIR", cache)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("s3://holidays/2026/cup.png: espresso"), "{text}");
        assert!(text.contains("note.txt: error: unsupported_image_format"), "{text}");
        assert_eq!(text.lines().count(), 2, "labels are not classified: {text}");
    }
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The whole answer to one request.
fn ask(address: &str, request: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: image/png\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
