//! `make soak`: half an hour of honest clients with one hostile request in twenty.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::answer::without_timing;
use super::common::encode::{base64, encode, plain};
use super::http::{Connection, ask, get};
use super::{Service, TURN, ask_from, honest, host, pictures, post};

/// Half an hour, unless `SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 1800;
const CLIENTS: u8 = 4;
/// Growth that is the allocator's.
const FLAT: u64 = 32 << 20;
/// The same in megabytes for the slope, which a burst at the end does not change much.
const MOST_GROWN: f64 = 16.0;
const SAMPLE: Duration = Duration::from_millis(500);
/// The whole time has so many parts; the least memory of each counts, as bursts come and go.
const WINDOWS: u32 = 60;
const SETTLING: Duration = Duration::from_secs(12);
const PATIENCE: Duration = Duration::from_secs(120);

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

/// What happened meanwhile.
#[derive(Default)]
struct Tally {
    answered: AtomicU32,
    /// Honest requests that were told to come again.
    later: AtomicU32,
    /// Answers to hostile requests, by status; 0 for none.
    hostile: Mutex<BTreeMap<u16, u32>>,
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
    let tally = Tally::default();
    let deadline = Instant::now() + time;
    let mut memory = Vec::new();
    thread::scope(|scope| {
        for own in 0..CLIENTS {
            let cases: Vec<_> = requests.iter().zip(&expected).collect();
            let tally = &tally;
            scope.spawn(move || be_honest(address, host(10 + own), &cases, tally, deadline));
        }
        scope.spawn(|| attack(address, &tally, deadline));
        // After a fifth of the time everything was used once.
        thread::sleep(time / 5);
        while Instant::now() < deadline {
            memory.push(least(&service, time / WINDOWS));
        }
    });
    // What the last hostile requests asked for may still be worked on.
    let settled = Instant::now() + PATIENCE;
    let mut last = least(&service, SETTLING);
    while last > memory[0] + FLAT && Instant::now() < settled {
        last = least(&service, SETTLING);
    }
    memory.push(last);
    let (answered, later) = (tally.answered.into_inner(), tally.later.into_inner());
    let (first, grown) = (memory[0], growth(&memory));
    println!("{answered} answers as expected, {later} told to come again");
    println!("hostile requests by the status of their answer: {:?}", tally.hostile);
    println!("memory: {} to {} MB, {grown:.1} MB by its slope", first >> 20, last >> 20);
    assert!(last < first + FLAT, "memory grew from {first} to {last}");
    assert!(grown < MOST_GROWN, "memory grows by {grown} MB");
    assert!(later * 20 < answered, "{later} of {answered} were told to come again");
    service.check();
}

/// The least memory that the service takes within `time`.
fn least(service: &Service, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut least = service.running.memory();
    while Instant::now() < end {
        thread::sleep(SAMPLE);
        least = least.min(service.running.memory());
    }
    least
}

fn be_honest(
    address: SocketAddr,
    own: IpAddr,
    cases: &[(&Vec<u8>, &Value)],
    tally: &Tally,
    deadline: Instant,
) {
    for (request, expected) in cases.iter().cycle() {
        if Instant::now() >= deadline {
            return;
        }
        let answer = ask_from(own, address, request).expect("an honest client gets an answer");
        if answer.status == 503 && answer.header("retry-after").is_some() {
            tally.later.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(without_timing(answer.json()), **expected);
        tally.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// One hostile request for every nineteen answers that honest clients got.
fn attack(address: SocketAddr, tally: &Tally, deadline: Instant) {
    let hostile = hostile();
    thread::scope(|scope| {
        for number in 0_usize.. {
            while tally.answered.load(Ordering::Relaxed) as usize / 19 <= number {
                if Instant::now() >= deadline {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            let request = &hostile[number % hostile.len()];
            scope.spawn(move || {
                let mut connection = Connection::open_from(host(66), address);
                let _ = connection.try_send(request);
                // Some read their answer, some are gone at once.
                if number % 2 == 0 {
                    let status = status(connection.stream());
                    assert!(!(500..600).contains(&status) || status == 503, "{number}: {status}");
                    *tally.hostile.lock().unwrap().entry(status).or_default() += 1;
                }
            });
        }
    });
}

/// Of what comes within a few seconds; 0 for nothing.
fn status(stream: &mut TcpStream) -> u16 {
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap_or(0);
    let line = String::from_utf8_lossy(&answer[..read]).into_owned();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// In megabytes, from the first sample to the last, by the line of least squares through all.
#[allow(clippy::cast_precision_loss)]
fn growth(bytes: &[u64]) -> f64 {
    let count = bytes.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let offsets = || (0..bytes.len()).map(|place| place as f64 - middle);
    let rise: f64 = offsets().zip(bytes).map(|(offset, bytes)| offset * *bytes as f64).sum();
    let run: f64 = offsets().map(|offset| offset * offset).sum();
    rise / run.max(1.0) * (count - 1.0) / f64::from(1 << 20)
}
