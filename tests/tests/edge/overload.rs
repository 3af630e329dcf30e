//! `glimpse serve` under too much, too slow and too long.

use super::http::{Connection, ask, get, post};
use super::serve::{red, serve, wait_until_one_is_in_flight};

/// A request of which the server waits for the rest.
fn unfinished(address: std::net::SocketAddr) -> (Connection, Vec<u8>) {
    let mut connection = Connection::open(address);
    let request = post(&red());
    let (first, rest) = request.split_at(request.len() - 5);
    connection.send(first);
    (connection, rest.to_vec())
}

#[test]
fn a_full_queue_answers_503_and_when_to_come_again() {
    let (_bundle, _running, address) = serve(&["--queue", "1"]);
    let (mut first, rest) = unfinished(address);
    wait_until_one_is_in_flight(address);
    let refused = ask(address, &post(&red()));
    assert_eq!((refused.status, refused.json()["code"].clone()), (503, "overloaded".into()));
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(ask(address, &get("/healthz")).status, 200);
    first.send(&rest);
    assert_eq!(first.answer().unwrap().status, 200);
    assert_eq!(ask(address, &post(&red())).status, 200);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let (_bundle, _running, address) = serve(&["--body-timeout-ms", "100"]);
    let (mut connection, _rest) = unfinished(address);
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.json()["code"].clone()), (408, "slow_body".into()));
}

#[test]
fn a_body_that_breaks_off_is_not_called_too_large() {
    let (_bundle, _running, address) = serve(&["--max-body-bytes", "100"]);
    let head = "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let too_long = format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(0x65));
    for (chunks, expected) in [
        ("5\r\nabcde\r\nno length\r\n", (400, "incomplete_body")),
        (&too_long, (413, "payload_too_large")),
    ] {
        let answer = ask(address, format!("{head}{chunks}").as_bytes());
        assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), expected);
    }
}

#[test]
fn a_header_that_does_not_come_ends_the_connection() {
    let (_bundle, _running, address) = serve(&["--header-timeout-ms", "100"]);
    let (mut silent, mut slow) = (Connection::open(address), Connection::open(address));
    slow.send(b"GET /healthz HTTP/1.1\r\nhost: ");
    assert!(slow.answer().is_none_or(|answer| answer.status == 408));
    assert!(silent.answer().is_none_or(|answer| answer.status == 408));
    assert_eq!(ask(address, &get("/healthz")).status, 200);
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let (_bundle, _running, address) = serve(&["--request-timeout-ms", "100"]);
    let (mut connection, _rest) = unfinished(address);
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.json()["code"].clone()), (503, "timed_out".into()));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_header_without_end_is_refused() {
    let (_bundle, _running, address) = serve(&[]);
    let mut connection = Connection::open(address);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    connection.send(format!("GET /healthz HTTP/1.1\r\n{many}\r\n").as_bytes());
    assert_eq!(connection.answer().unwrap().status, 431);
}
