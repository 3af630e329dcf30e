//! Connections: clients that never read, many of one client, old ones, half-closed ones.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::glimpse;

use super::budget::wait_until;
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
fn one_client_cannot_take_all_connections() {
    let (_bundle, _running, address) = serve(&["--max-connections", "8"]);
    let mut idle: Vec<_> = (0..20).map(|_| Connection::open_from(OTHER, address)).collect();
    assert_eq!(ask(address, &get("/healthz")).status, 200);
    idle[0].send(&get("/healthz"));
    assert_eq!(idle[0].answer().unwrap().status, 200);
    let _ = idle[19].try_send(&get("/healthz"));
    assert!(idle[19].answer().is_none(), "a 20th connection of the same client is served");
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
fn health_answers_at_its_own_address_while_everything_else_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "correct-horse-battery\n").unwrap();
    let (_bundle, running, address) = serve(&[
        "--max-connections",
        "1",
        "--health-listen",
        "127.0.0.1:0",
        "--bearer-token-file",
        file.to_str().unwrap(),
    ]);
    let mut only = Connection::open(address);
    only.send(b"POST /predict HTTP/1.1\r\n");
    let log = running.log();
    let listening: Vec<SocketAddr> = log
        .iter()
        .filter(|line| line["message"] == "listening")
        .map(|line| line["address"].as_str().unwrap().parse().unwrap())
        .collect();
    for path in ["/healthz", "/ping", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(ask(listening[1], &get(path)).status, 200, "{path}");
    }
    assert_eq!(ask(listening[1], &get("/model")).status, 404);
    assert_eq!(ask(listening[1], &post(&red())).status, 404);
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
        glimpse_tests::edge::Running::start(&mut command)
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
