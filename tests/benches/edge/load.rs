//! Clients that ask a server, each over a connection of its own, and what they saw.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;

/// What clients saw.
#[derive(Default)]
pub struct Seen {
    pub answers: usize,
    pub errors: usize,
    times: Vec<Duration>,
}

impl Seen {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn ms(&self, quantile: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        self.times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// Ask for `time`; with a `pause`, each client begins a request so often, else one after the other.
pub fn clients(
    address: SocketAddr,
    request: &Arc<Vec<u8>>,
    count: usize,
    time: Duration,
    pause: Option<Duration>,
) -> Result<Seen, Failure> {
    let end = Instant::now() + time;
    let handles: Vec<_> = (0..count)
        .map(|number| {
            let request = request.clone();
            thread::spawn(move || client(address, &request, end, pause.map(|p| (p, number, count))))
        })
        .collect();
    let mut all = Seen::default();
    for handle in handles {
        let one = handle.join().map_err(|_| "a client panicked")?;
        all.answers += one.answers;
        all.errors += one.errors;
        all.times.extend(one.times);
    }
    all.times.sort_unstable();
    Ok(all)
}

fn client(
    address: SocketAddr,
    request: &[u8],
    end: Instant,
    pace: Option<(Duration, usize, usize)>,
) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    // Clients begin one after the other, evenly.
    let mut next = pace
        .map(|(pause, number, count)| Instant::now() + pause.mul_f64(number as f64 / count as f64));
    while Instant::now() < end {
        if let (Some(at), Some((pause, ..))) = (&mut next, pace) {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            *at += pause;
        }
        let started = Instant::now();
        match ask(&mut connection, address, request) {
            Ok(200) => {
                seen.answers += 1;
                seen.times.push(started.elapsed());
            }
            Ok(_) | Err(_) => {
                seen.errors += 1;
                connection = None;
            }
        }
    }
    seen
}

fn ask(
    connection: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &[u8],
) -> std::io::Result<u16> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            connection.insert(stream)
        }
    };
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
        if answer.len() >= end + 4 + length {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            return Ok(status.unwrap_or_default());
        }
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A request for `/predict`, with a query.
pub fn request(query: &str, picture: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /predict{query} HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n\
         content-length: {}\r\n\r\n",
        picture.len()
    );
    [head.as_bytes(), picture].concat()
}
