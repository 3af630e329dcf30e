//! Connections: clients that never read, many of one client, old ones, half-closed ones.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, glimpse};
use image::ImageFormat;

use super::budget::wait_until;
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{Connection, ask, get, post, post_with};
use super::serve::{red, serve};

const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn a_client_that_never_reads_is_let_go() {
    let (_bundle, _running, address) = serve(&["--write-timeout-ms", "300"]);
    let mut deaf = Connection::open(address);
    // More answers than the buffers of both sides hold.
    let requests = get("/openapi.json").repeat(100);
    let deadline = Instant::now() + Duration::from_secs(60);
    while deaf.try_send(&requests).is_ok() {
        assert!(Instant::now() < deadline, "it is still served");
    }
    assert_eq!(ask(address, &get("/healthz")).status, 200);
}

#[test]
fn little_is_kept_for_a_client_that_does_not_read() {
    let (_bundle, running, address) = serve(&[]);
    let length = ask(address, &get("/openapi.json")).body.len();
    let mut deaf = Connection::open(address);
    deaf.send_some(&get("/openapi.json").repeat(500));
    let answered = || {
        let log = running.log();
        log.iter().filter(|line| line["path"] == "/openapi.json").count() * length
    };
    wait_until("it answers", || answered() > length);
    thread::sleep(Duration::from_millis(500));
    // What the client's side keeps is its own matter: a megabyte at most before it reads.
    assert!(answered() < 2 << 20, "{} bytes were answered", answered());
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let (_bundle, _running, address) = serve(&["--max-connections", "8"]);
    let mut idle: Vec<_> = (0..20).map(|_| Connection::open_from(OTHER, address)).collect();
    assert_eq!(ask(address, &get("/healthz")).status, 200);
    idle[19].send(&get("/healthz"));
    assert_eq!(idle[19].answer().unwrap().status, 200);
    let _ = idle[0].try_send(&get("/healthz"));
    assert!(idle[0].answer().is_none(), "the oldest of 20 is still there");
    let mut another = Connection::open_from(OTHER, address);
    another.send(&get("/healthz"));
    assert_eq!(another.answer().unwrap().status, 200);
}

#[test]
fn one_client_cannot_take_all_connections() {
    let (_bundle, _running, address) = serve(&["--max-connections", "8"]);
    let request = post(&red());
    let (first, rest) = request.split_at(request.len() - 5);
    let mut busy: Vec<_> = (0..6).map(|_| Connection::open_from(OTHER, address)).collect();
    busy.iter_mut().for_each(|connection| connection.send(first));
    wait_until("six are in flight", || {
        let metrics = ask(address, &get("/metrics")).body;
        String::from_utf8_lossy(&metrics).contains("glimpse_requests_in_flight 6\n")
    });
    let mut seventh = Connection::open_from(OTHER, address);
    let _ = seventh.try_send(&request);
    assert!(seventh.answer().is_none(), "a seventh connection of the same client is served");
    assert_eq!(ask(address, &request).status, 200);
    for connection in &mut busy {
        connection.send(rest);
        assert_eq!(connection.answer().unwrap().status, 200);
    }
}

#[test]
fn an_old_connection_takes_no_more_requests() {
    let (_bundle, _running, address) = serve(&["--connection-age-ms", "300"]);
    let mut connection = Connection::open(address);
    connection.send(&get("/healthz"));
    assert_eq!(connection.answer().unwrap().status, 200);
    assert!(connection.answer().is_none());
}

#[test]
fn a_client_that_closed_its_side_gets_its_answer() {
    let (_bundle, _running, address) = serve(&[]);
    let mut connection = Connection::open(address);
    connection.send(&post(&red()));
    connection.close_sending();
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.json()["label"].clone()), (200, "red".into()));
    assert!(connection.answer().is_none());
}

#[test]
fn a_client_that_closed_its_side_waits_for_a_slow_answer_unless_others_do() {
    let bundle = toy::bundle(Graph::SlowIfBright);
    let (_running, address) = Running::serve(&mut glimpse(bundle.path()));
    let bright = post(&encode(&plain(9, 8, [255, 250, 250]), ImageFormat::Png));
    let half_closed = || {
        let mut connection = Connection::open(address);
        connection.send(&bright);
        connection.close_sending();
        connection
    };
    let begun = Instant::now();
    assert_eq!(half_closed().answer().unwrap().status, 200);
    assert!(begun.elapsed() > Duration::from_millis(1500), "it was not slow");
    // While others wait, it is told to come again: most that closed their side are gone.
    let mut others: Vec<_> = (0..4).map(|_| Connection::open(address)).collect();
    others.iter_mut().for_each(|connection| connection.send(&bright));
    let answer = half_closed().answer().unwrap();
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    assert!(others.iter_mut().all(|other| other.answer().unwrap().status == 200));
}

#[test]
fn a_request_whose_client_is_gone_is_given_up() {
    let (_bundle, _running, address) = serve(&["--queue", "1"]);
    let mut gone = Connection::open(address);
    let request = post(&red());
    gone.send(&request[..request.len() - 5]);
    super::serve::wait_until_one_is_in_flight(address);
    drop(gone);
    wait_until("its place is free", || ask(address, &post(&red())).status == 200);
}

#[test]
fn health_and_metrics_answer_at_their_own_addresses_while_everything_else_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "correct-horse-battery\n").unwrap();
    let (_bundle, running, address) = serve(&[
        "--max-connections",
        "1",
        "--health-listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--bearer-token-file",
        file.to_str().unwrap(),
    ]);
    let log = running.log();
    let listening: Vec<SocketAddr> = log
        .iter()
        .filter(|line| line["message"] == "listening")
        .map(|line| line["address"].as_str().unwrap().parse().unwrap())
        .collect();
    let (metrics, health) = (listening[1], listening[2]);
    let counts = || String::from_utf8(ask(metrics, &get("/metrics")).body).unwrap();
    let mut only = Connection::open(address);
    let request = post_with(&red(), "authorization: Bearer correct-horse-battery\r\n");
    only.send(&request[..request.len() - 5]);
    wait_until("it is full", || counts().contains("glimpse_requests_in_flight 1\n"));
    let mut refused = Connection::open(address);
    // Less than the server gives a connection that has a place.
    refused.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(refused.stream().read(&mut [0]).expect("it is not full"), 0);
    for path in ["/healthz", "/ping", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(ask(health, &get(path)).status, 200, "{path}");
        assert_eq!(ask(metrics, &get(path)).status, 200, "{path}");
    }
    for other in [metrics, health] {
        assert_eq!(ask(other, &get("/model")).status, 404);
        assert_eq!(ask(other, &post(&red())).status, 404);
    }
    assert_eq!(ask(health, &get("/metrics")).status, 404);
}

/// Three quarters of the places are one client's; who that is, a trusted proxy says.
#[test]
fn clients_behind_a_trusted_proxy_are_apart() {
    for (proxies, other) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 503)] {
        let (_bundle, _running, address) = serve(&["--queue", "4", "--trusted-proxies", proxies]);
        let of = |client: &str| post_with(&red(), &format!("x-forwarded-for: {client}\r\n"));
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let mut connection = Connection::open(address);
                let request = of("192.0.2.1");
                connection.send(&request[..request.len() - 5]);
                connection
            })
            .collect();
        wait_until("three are in flight", || {
            let metrics = ask(address, &get("/metrics")).body;
            String::from_utf8_lossy(&metrics).contains("glimpse_requests_in_flight 3\n")
        });
        assert_eq!(ask(address, &of("192.0.2.1")).status, 503, "{proxies}");
        assert_eq!(ask(address, &of("192.0.2.2")).status, other, "{proxies}");
        drop(waiting);
    }
}

#[test]
fn fifty_users_behind_one_trusted_proxy_are_fifty_clients() {
    let flags = ["--queue", "50", "--max-connections", "60", "--trusted-proxies", "127.0.0.0/8"];
    let (_bundle, _running, address) = serve(&flags);
    // More connections, and more places, than one client may have.
    let mut users: Vec<_> = (0..50)
        .map(|user| {
            let request = post_with(&red(), &format!("x-forwarded-for: 192.0.2.{user}\r\n"));
            let (first, rest) = request.split_at(request.len() - 5);
            let mut connection = Connection::open(address);
            connection.send(first);
            (connection, rest.to_vec())
        })
        .collect();
    wait_until("fifty are in flight", || {
        let metrics = ask(address, &get("/metrics")).body;
        String::from_utf8_lossy(&metrics).contains("glimpse_requests_in_flight 50\n")
    });
    for (connection, rest) in &mut users {
        connection.send(rest);
        assert_eq!(connection.answer().unwrap().status, 200);
    }
}

#[test]
fn changed_tokens_and_certificates_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "correct-horse-battery\n").unwrap();
    let (_bundle, running, address) = serve(&["--bearer-token-file", file.to_str().unwrap()]);
    let with = |token: &str| {
        ask(address, &post_with(&red(), &format!("authorization: Bearer {token}\r\n"))).status
    };
    assert_eq!((with("correct-horse-battery"), with("another-horse-battery")), (200, 401));
    fs::write(&file, "short").unwrap();
    running.wait_for("still using what was read before");
    assert_eq!(with("correct-horse-battery"), 200);
    fs::write(&file, "another-horse-battery\n").unwrap();
    running.wait_for("read again");
    assert_eq!((with("correct-horse-battery"), with("another-horse-battery")), (401, 200));
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_a_word() {
    let start = |more: &[&str]| {
        let mut command = glimpse("/nowhere");
        command.args(["serve", "--listen", "0.0.0.0:0"]).args(more);
        Running::start(&mut command)
    };
    let mut refused = start(&[]);
    assert_eq!(refused.end().code(), Some(2));
    thread::sleep(Duration::from_millis(50));
    let log = format!("{:?}", refused.log());
    assert!(log.contains("--bearer-token-file") && log.contains("--no-token"), "{log}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "correct-horse-battery\n").unwrap();
    for more in [&["--no-token"][..], &["--bearer-token-file", file.to_str().unwrap()]] {
        start(more).wait_for("listening");
    }
}
