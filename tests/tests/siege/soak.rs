//! `make soak`: half an hour of honest clients with one hostile request in twenty.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::common::answer::without_timing;
use super::common::encode::{base64, encode, plain};
use super::http::{Connection, ask, get};
use super::{Service, TURN, honest, host, pictures, post};

/// Half an hour, unless `SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 1800;
const CLIENTS: u8 = 4;
/// Growth that is the allocator's.
const FLAT: u64 = 32 << 20;

/// What hostile clients send: bombs, broken files, broken JSON, broken HTTP, and half of a body.
fn hostile() -> Vec<Vec<u8>> {
    let bomb = pictures::webp((pictures::SIDE, pictures::SIDE));
    let batch = json!({ "images": vec![base64(&bomb); 4] }).to_string();
    let half = honest();
    let mut unfinished = post("image/png", &half);
    unfinished.truncate(unfinished.len() - half.len() / 2);
    vec![
        post("image/webp", &bomb),
        post("application/json", batch.as_bytes()),
        post("image/png", &half[..half.len() / 2]),
        post("image/png", &vec![0xff; 1 << 20]),
        post("application/json", "[".repeat(100_000).as_bytes()),
        post("application/json", b"{\"images\": [1, null, {}]}"),
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
        get("/").repeat(200),
        unfinished,
    ]
}

#[test]
#[ignore = "half an hour; make soak"]
fn nothing_wears_out() {
    let _turn = TURN.lock();
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let variables = [("GLIMPSE_WRITE_TIMEOUT_MS", "2000"), ("GLIMPSE_BODY_TIMEOUT_MS", "2000")];
    let Some(service) = Service::start("soak", &variables) else { return };
    let address = service.address;
    let requests: Vec<_> = (0..8_u8)
        .map(|number| plain(300, 200, [number * 30, 255 - number * 30, number * 9]))
        .map(|picture| post("image/png", &encode(&picture, image::ImageFormat::Png)))
        .collect();
    let expected: Vec<_> =
        requests.iter().map(|request| without_timing(ask(address, request).json())).collect();
    let (answered, later) = (AtomicU32::new(0), AtomicU32::new(0));
    let deadline = Instant::now() + time;
    let mut settled = 0;
    thread::scope(|scope| {
        for own in 0..CLIENTS {
            let (requests, expected, answered, later) = (&requests, &expected, &answered, &later);
            scope.spawn(move || {
                for number in (0..requests.len()).cycle() {
                    if Instant::now() >= deadline {
                        return;
                    }
                    let answer = super::ask_from(host(10 + own), address, &requests[number]);
                    let answer = answer.expect("an honest client gets an answer");
                    if answer.status == 503 && answer.header("retry-after").is_some() {
                        later.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    assert_eq!(answer.status, 200, "{}", answer.json());
                    assert_eq!(without_timing(answer.json()), expected[number]);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| attack(address, &answered, deadline));
        // After a fifth of the time everything was used once.
        thread::sleep(time / 5);
        settled = service.running.memory();
        thread::sleep(deadline.saturating_duration_since(Instant::now()));
    });
    // Bodies and bursts are given back by then.
    thread::sleep(Duration::from_secs(12));
    let (after, answered) = (service.running.memory(), answered.into_inner());
    let later = later.into_inner();
    println!("{answered} answers, {later} told to come again, {settled} to {after} bytes");
    assert!(after < settled + FLAT, "memory grew from {settled} to {after}");
    assert!(later * 20 < answered, "{later} of {answered} were told to come again");
    service.check();
}

/// One hostile request for every nineteen answers that honest clients got.
fn attack(address: SocketAddr, answered: &AtomicU32, deadline: Instant) {
    let hostile = hostile();
    for number in 0_usize.. {
        if Instant::now() >= deadline {
            return;
        }
        while answered.load(Ordering::Relaxed) as usize / 19 < number {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let mut connection = Connection::open_from(host(66), address);
        let _ = connection.try_send(&hostile[number % hostile.len()]);
        connection.stream().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        // Some read their answer, some are gone at once.
        if number % 2 == 0 {
            let mut answer = [0; 64];
            let read = connection.stream().read(&mut answer).unwrap_or(0);
            let line = String::from_utf8_lossy(&answer[..read]).into_owned();
            assert!(!line.contains(" 500 "), "{number}: {line}");
        }
    }
}
