//! `glimpse serve` within the memory that its unit has, under the worst that it accepts: nothing
//! dies, and nobody honest loses an answer but by 503 with `Retry-After`.
//!
//! A binary of its own, because it measures shares of the processors.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bundles;
#[path = "../common/mod.rs"]
mod common;
#[path = "../s3_events/event.rs"]
#[allow(dead_code)]
mod event;
mod heif;
#[path = "../edge/http.rs"]
#[allow(dead_code)]
mod http;
mod lambda;
mod pictures;
mod queue;
mod soak;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::cgroup::MemoryGroup;
use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::skip::skip;
use image::ImageFormat;
use serde_json::json;
use tempfile::TempDir;

use common::encode::{base64, encode, textured};
use common::toy::{self, Graph};
use http::{Answer, Connection, ask, get};

/// As in `infra/edge/glimpse.service`.
const MEMORY_MAX: u64 = 1 << 30;

/// They measure, or fill the machine.
static TURN: Mutex<()> = Mutex::new(());

/// A service in its group.
struct Service {
    running: Running,
    address: SocketAddr,
    group: MemoryGroup,
    bundle: TempDir,
}

impl Service {
    /// Nothing, with the reason counted, where no group can be made.
    fn start(test: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let group = match MemoryGroup::new(test, MEMORY_MAX) {
            Ok(group) => group,
            Err(reason) => {
                skip(test, &reason);
                return None;
            }
        };
        let bundle = toy::bundle(Graph::MeanColour);
        let mut command = glimpse(bundle.path());
        command.envs(variables.iter().copied());
        let (running, address) = Running::serve(&mut group.wrap(&command));
        Some(Self { running, address, group, bundle })
    }

    /// That it lives, never restarted, and serves.
    fn check(&self) {
        assert_eq!(ask(self.address, &get("/healthz")).status, 200);
        let honest = post("image/png", &honest());
        let deadline = Instant::now() + Duration::from_secs(60);
        while ask(self.address, &honest).status != 200 {
            assert!(Instant::now() < deadline, "it serves nobody");
            thread::sleep(Duration::from_millis(100));
        }
        let panicked = self.running.log().iter().any(|line| line.to_string().contains("panicked"));
        assert!(!panicked, "{:?}", self.running.log());
        println!("peak: {:?} MB", self.group.peak().map(|bytes| bytes >> 20));
    }
}

fn honest() -> Vec<u8> {
    encode(&textured(320, 240), ImageFormat::Png)
}

fn post(content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn host(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

fn ask_from(own: IpAddr, address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open_from(own, address);
    connection.try_send(request).ok()?;
    connection.answer()
}

/// Each of these requests at the same time, from clients of their own.
fn together(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<Option<Answer>> {
    thread::scope(|scope| {
        let clients: Vec<_> = (10..)
            .zip(requests)
            .map(|(own, request)| scope.spawn(move || ask_from(host(own), address, request)))
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// 200, or 503 that says when to come again.
fn is_honest_answer(answer: &Answer) -> bool {
    let later = || answer.status == 503 && answer.header("retry-after").is_some();
    answer.status == 200 || later()
}

#[test]
fn the_worst_pictures_that_are_accepted_fit_together_and_in_batches() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(service) = Service::start("worst", &[]) else { return };
    let modern = heif::all("worst HEIC and AVIF").into_iter();
    let modern = modern.map(|blank| (blank.name, blank.content_type, blank.files[0].clone()));
    for (name, content_type, picture) in pictures::all().chain(modern) {
        let started = Instant::now();
        let alone = ask(service.address, &post(content_type, &picture));
        assert_eq!(alone.status, 200, "{name}: {}", alone.json());
        let two = vec![base64(&picture); 2];
        let batch = post("application/json", json!({ "images": two }).to_string().as_bytes());
        let single = post(content_type, &picture);
        let answers = together(service.address, &[batch.clone(), single.clone(), batch, single]);
        for answer in answers {
            let answer = answer.unwrap_or_else(|| panic!("{name}: a connection broke off"));
            assert_eq!(answer.status, 200, "{name}: {}", answer.json());
        }
        println!("{name}: {} bytes, {:?}", picture.len(), started.elapsed());
    }
    service.check();
}

#[test]
fn slow_bodies_and_large_photographs_fit_too() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(service) = Service::start("bodies", &[]) else { return };
    let body = vec![7; 10 << 20];
    let slow: Vec<_> = (0..97)
        .map(|number| {
            let mut connection = Connection::open_from(host(100 + number), service.address);
            let request = post("image/png", &body);
            // Refused ones are closed while they send.
            let _ = connection.try_send(&request[..request.len() - 1]);
            connection
        })
        .collect();
    let answer = ask(service.address, &post("image/png", &honest()));
    assert!(is_honest_answer(&answer), "{}", answer.status);
    assert_eq!(ask(service.address, &get("/healthz")).status, 200);
    drop(slow);
    service.check();

    let photograph = post("image/jpeg", &pictures::jpeg((8000, 6000), 8_800_000));
    let answers = together(service.address, &vec![photograph; 64]);
    let count = |status| answers.iter().flatten().filter(|answer| answer.status == status).count();
    println!("64 photographs: {} answered, {} told to come again", count(200), count(503));
    assert!(count(200) > 0);
    assert!(answers.iter().all(|answer| answer.as_ref().is_some_and(is_honest_answer)));
    service.check();
}

/// From the address of the honest client too, and from others so that all places are taken.
#[test]
fn idle_and_deaf_connections_leave_room() {
    const LONG: &str = "600000";
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // None of them is let go for its time.
    let variables = [("GLIMPSE_WRITE_TIMEOUT_MS", LONG), ("GLIMPSE_HEADER_TIMEOUT_MS", LONG)];
    let Some(service) = Service::start("connections", &variables) else { return };
    let open = |number: u16| {
        Connection::open_from(host(1 + u8::try_from(number % 3).unwrap()), service.address)
    };
    let idle: Vec<_> = (0..1200).map(open).collect();
    service.check();
    drop(idle);
    let requests = get("/").repeat(500);
    let mut deaf: Vec<_> = (0..1200).map(open).collect();
    for connection in &mut deaf {
        connection.send_some(&requests);
    }
    service.check();
}

/// Answers that four honest clients get in `time`.
fn goodput(address: SocketAddr, time: Duration) -> u32 {
    let deadline = Instant::now() + time;
    let request = post("image/png", &honest());
    let client = |own: u8| {
        let mut connection = Connection::open_from(host(own), address);
        let mut answered = 0;
        while Instant::now() < deadline {
            connection.send(&request);
            let answer = connection.answer().unwrap();
            assert_eq!(answer.status, 200);
            answered += 1;
        }
        answered
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (11..15).map(|own| scope.spawn(move || client(own))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

/// Six bombs a second while `during` runs.
fn bombed<T>(address: SocketAddr, during: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let bomb = post("image/webp", &pictures::webp((pictures::SIDE, pictures::SIDE)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sent = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let mut connection = Connection::open_from(host(66), address);
                let _ = connection.try_send(&bomb);
                sent.push(connection);
                thread::sleep(Duration::from_millis(166));
            }
        });
        thread::sleep(Duration::from_secs(1));
        let done = during();
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// What other programs of the machine take changes with time, so the two are measured in turns.
#[test]
fn bombs_leave_honest_clients_their_goodput() {
    const ROUNDS: u32 = 3;
    const TIME: Duration = Duration::from_secs(4);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(service) = Service::start("bombs", &[]) else { return };
    let address = service.address;
    let alone = || goodput(address, TIME / 2);
    alone();
    let (mut peaceful, mut besieged) = (0, 0);
    for _ in 0..ROUNDS {
        peaceful += alone();
        besieged += bombed(address, || goodput(address, TIME));
        // The last bomb ends.
        thread::sleep(Duration::from_secs(2));
        peaceful += alone();
    }
    println!("{peaceful} answers alone, {besieged} beside six bombs a second");
    assert!(besieged * 10 >= peaceful * 8, "{besieged} of {peaceful}");
    service.check();
}
