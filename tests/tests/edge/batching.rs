//! Pictures that wait are run together, and each gets its own answer.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::workspace;
use image::ImageFormat;
use serde_json::Value;
use tempfile::TempDir;

use super::common::answer::without_timing;
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{Answer, Connection, ask, get, post, post_json};

/// With so many in a run at most.
fn serve(graph: Graph, most: &str) -> (TempDir, Running, SocketAddr) {
    let bundle = toy::bundle(graph);
    let mut command = glimpse(bundle.path());
    let (running, address) = Running::serve(command.env("GLIMPSE_BATCH_MOST", most));
    (bundle, running, address)
}

fn coloured(colour: [u8; 3]) -> Vec<u8> {
    encode(&plain(9, 8, colour), ImageFormat::Png)
}

/// A picture for `POST /predict` with this query.
pub fn asking(picture: &[u8], query: &str) -> Vec<u8> {
    let request = String::from_utf8(post(b"")).unwrap();
    let request = request
        .replace("/predict", &format!("/predict?{query}"))
        .replace("content-length: 0", &format!("content-length: {}", picture.len()));
    [request.as_bytes(), picture].concat()
}

/// Pictures that were answered, and runs of the model, as Triton's clients read them.
fn counts(address: SocketAddr) -> (u64, u64) {
    let stats = ask(address, &get("/v2/models/toy/stats")).json()["model_stats"][0].clone();
    let count = |name: &str| stats[name].as_u64().unwrap();
    (count("inference_count"), count("execution_count"))
}

/// A request that keeps the session busy for seconds, and the moment from which on it does.
fn busy(address: SocketAddr) -> Connection {
    let mut connection = Connection::open(address);
    connection.send(&post(&coloured([255, 250, 250])));
    let metrics = || String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !metrics().contains("glimpse_requests_in_flight 1\n") {
        assert!(Instant::now() < deadline, "{}", metrics());
    }
    thread::sleep(Duration::from_millis(100));
    connection
}

/// Send all requests while the session is busy; the answers, in order.
fn meanwhile(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<Answer> {
    let mut first = busy(address);
    let mut connections: Vec<_> = requests.iter().map(|_| Connection::open(address)).collect();
    for (connection, request) in connections.iter_mut().zip(requests) {
        connection.send(request);
    }
    let sent = Instant::now();
    assert_eq!(first.answer().unwrap().status, 200);
    assert!(sent.elapsed() > Duration::from_millis(500), "the first run was not slow");
    connections.iter_mut().map(|connection| connection.answer().unwrap()).collect()
}

fn dark(number: u8) -> Vec<u8> {
    coloured([10 + number, 100 - number, 5])
}

#[test]
fn what_waits_is_run_together_and_nothing_else_is_needed() {
    let bundle = toy::bundle(Graph::SlowIfBright);
    let (_running, address) = Running::serve(&mut glimpse(bundle.path()));
    let requests: Vec<_> = (0..6).map(|number| post(&dark(number))).collect();
    let answers = meanwhile(address, &requests);
    assert!(answers.iter().all(|answer| answer.json()["label"] == "green"));
    assert_eq!(counts(address), (7, 2));
    // Alone, one after the other.
    for request in &requests {
        ask(address, request);
    }
    assert_eq!(counts(address), (13, 8));
}

#[test]
fn the_flag_says_how_many_share_a_run_and_one_is_each_by_itself() {
    for (most, runs) in [("4", 3), ("1", 12)] {
        let (_bundle, _running, address) = serve(Graph::SlowIfBright, most);
        let requests: Vec<_> = (0..12).map(|number| post(&dark(number))).collect();
        assert!(meanwhile(address, &requests).iter().all(|answer| answer.status == 200));
        assert_eq!(counts(address), (13, 1 + runs), "{most}");
    }
}

#[test]
fn each_gets_what_it_asked_for() {
    let (_one, _single, alone) = serve(Graph::Featured, "1");
    let (_two, _shared, together) = serve(Graph::Featured, "8");
    let queries =
        ["top_k=1", "explain=true", "embedding=true&top_k=2", "energy=true", "explain=png"];
    let clients: Vec<_> = (0..40_u8)
        .map(|number| {
            thread::spawn(move || {
                let picture = coloured([number * 6, 255 - number * 6, number]);
                let request = asking(&picture, queries[usize::from(number) % queries.len()]);
                let answers = [alone, together].map(|address| ask(address, &request));
                answers.map(|answer| (answer.status, without_timing(answer.json())))
            })
        })
        .collect();
    for client in clients {
        let [alone, together] = client.join().unwrap();
        assert_eq!(alone.0, 200, "{}", alone.1);
        assert_eq!(alone, together);
    }
    let broken = ask(together, &post(b"\x89PNG\r\n\x1a\nbroken"));
    assert_eq!(broken.json()["code"], "corrupt_image");
}

#[test]
fn a_picture_that_the_model_fails_on_does_not_take_its_neighbours_with_it() {
    let (_bundle, _running, address) = serve(Graph::SlowIfBright, "8");
    let mut requests: Vec<_> = (0..6).map(|number| post(&dark(number))).collect();
    // Without any blue: its logarithm is no number.
    requests.insert(2, post(&coloured([9, 90, 0])));
    let answers = meanwhile(address, &requests);
    for (number, answer) in answers.iter().enumerate() {
        let expected = if number == 2 { 500 } else { 200 };
        assert_eq!(answer.status, expected, "{number}: {}", answer.json());
    }
    assert_eq!(answers[2].json()["code"], "internal");
    // The first, and the six by themselves.
    assert_eq!(counts(address), (7, 7));
}

#[test]
fn a_run_that_hangs_and_is_ended_does_not_take_with_it_what_waits() {
    let bundle = toy::bundle(Graph::EndlessIfBright);
    let mut command = glimpse(bundle.path());
    let (running, address) = Running::serve(command.env("GLIMPSE_REQUEST_TIMEOUT_MS", "2500"));
    let mut first = busy(address);
    // So late that it still has time when the run has been ended.
    thread::sleep(Duration::from_millis(1800));
    let mut connections: Vec<_> = (0..4).map(|_| Connection::open(address)).collect();
    for connection in &mut connections {
        connection.send(&post(&dark(7)));
    }
    assert!(matches!(first.answer().unwrap().status, 500 | 503));
    running.wait_for("a run of the model took too long and was ended");
    for mut connection in connections {
        assert_eq!(connection.answer().unwrap().json()["label"], "green");
    }
    assert_eq!(counts(address), (4, 1));
}

#[test]
fn pictures_of_a_batch_and_pixels_share_runs_with_others() {
    let (_bundle, _running, address) = serve(Graph::SlowIfBright, "16");
    let pixels: Vec<u8> = vec![[9, 90, 5]; 3 * 64].concat();
    let header = format!(
        r#"{{"inputs":[{{"name":"image","datatype":"UINT8","shape":[3,8,8,3],"parameters":{{"binary_data_size":{}}}}}]}}"#,
        pixels.len()
    );
    let body = [header.as_bytes(), &pixels].concat();
    let head = format!(
        "POST /v2/models/toy/infer HTTP/1.1\r\nhost: localhost\r\n\
         inference-header-content-length: {}\r\ncontent-length: {}\r\n\r\n",
        header.len(),
        body.len()
    );
    let raw = [head.as_bytes(), &body].concat();
    let images = [dark(1), dark(2), coloured([9, 90, 0])];
    let images: Vec<_> = images.iter().map(|one| super::common::encode::base64(one)).collect();
    let batch = post_json(&serde_json::json!({ "images": images }));
    let answers = meanwhile(address, &[raw, batch, post(&dark(3))]);
    let labels = |answer: &Value| answer["outputs"].to_string().matches("green").count();
    assert_eq!(labels(&answers[0].json()), 3, "{}", answers[0].json());
    let batch = answers[1].json();
    assert_eq!(batch["results"][1]["label"], "green", "{batch}");
    assert_eq!(batch["results"][2]["error"]["code"], "internal", "{batch}");
    assert_eq!(answers[2].json()["label"], "green");
}

/// ONNX Runtime keeps what a run took, so it must have been set aside.
#[test]
fn shared_runs_take_no_more_memory_than_is_set_aside_for_them() {
    for name in ["default", "imagenet-lite"] {
        let bundle = workspace::bundle(name);
        let description = std::fs::read(bundle.join("bundle.json")).unwrap();
        let input = serde_json::from_slice::<Value>(&description).unwrap()["input"].clone();
        let side = |name: &str| input[name].as_u64().unwrap();
        let aside = 7 * 64 * side("height") * side("width") * 3;
        let mut command = glimpse(&bundle);
        let (running, address) = Running::serve(command.env("GLIMPSE_BATCH_MOST", "8"));
        let request = post(&coloured([90, 100, 110]));
        let all = |clients: usize, rounds: usize| {
            let ask_in_turn = || {
                let mut connection = Connection::open(address);
                for _ in 0..rounds {
                    connection.send(&request);
                    assert_eq!(connection.answer().unwrap().status, 200);
                }
            };
            thread::scope(|scope| (0..clients).for_each(|_| drop(scope.spawn(ask_in_turn))));
        };
        all(1, 4);
        let before = running.memory();
        all(16, 8);
        let grown = running.memory().saturating_sub(before);
        println!("{name}: {} KB more, {} KB set aside", grown >> 10, aside >> 10);
        // Threads and connections take some, too.
        assert!(grown < aside + (8 << 20), "{name}: {grown} of {aside}");
    }
}
