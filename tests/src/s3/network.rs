//! A network between the server and its clients: a round trip before each answer, and one rate that
//! all bodies share. Without it an answer on loopback comes sooner than S3's ever does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, sleep, sleep_until};

use super::faults::{Body, Error};

/// Bytes that pass at once: under a millisecond of the fastest network that is tried.
const PIECE: usize = 64 << 10;
/// How late a timer may fire without a loss of rate.
const SLACK: Duration = Duration::from_millis(5);

/// How far and how fast; nothing is slowed down before [`Network::slow`].
#[derive(Debug, Default)]
pub struct Network(Mutex<Option<Link>>);

#[derive(Debug)]
struct Link {
    round_trip: Duration,
    bytes_per_second: u32,
    /// When all that was sent so far has passed.
    free: Instant,
}

impl Network {
    /// From now on each answer takes a `round_trip`, and all bodies together `bytes_per_second`.
    pub fn slow(&self, round_trip: Duration, bytes_per_second: u32) {
        let free = Instant::now();
        *self.link() = Some(Link { round_trip, bytes_per_second: bytes_per_second.max(1), free });
    }

    pub(super) async fn round_trip(&self) {
        let wait = self.link().as_ref().map(|link| link.round_trip);
        if let Some(wait) = wait {
            sleep(wait).await;
        }
    }

    /// Wait until `bytes` more have passed.
    async fn pass(&self, bytes: usize) {
        let passed = self.link().as_mut().map(|link| link.send(bytes));
        if let Some(passed) = passed {
            sleep_until(passed).await;
        }
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Option<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn send(&mut self, bytes: usize) -> Instant {
        let idle_since = Instant::now().checked_sub(SLACK).unwrap_or(self.free);
        let takes = bytes as f64 / f64::from(self.bytes_per_second);
        self.free = self.free.max(idle_since) + Duration::from_secs_f64(takes);
        self.free
    }
}

/// The body at the network's rate.
pub(super) fn paced(network: Arc<Network>, body: Body) -> Body {
    let pieces = BodyStream::new(body).flat_map(|frame| stream::iter(pieces(frame)));
    let paced = pieces.then(move |piece| {
        let network = network.clone();
        async move {
            let bytes = piece.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            network.pass(bytes).await;
            piece
        }
    });
    StreamBody::new(paced).boxed_unsync()
}

fn pieces(frame: Result<Frame<Bytes>, Error>) -> Vec<Result<Frame<Bytes>, Error>> {
    match frame.map(Frame::into_data) {
        Ok(Ok(data)) => {
            let starts = (0..data.len()).step_by(PIECE);
            let piece = |start| data.slice(start..data.len().min(start + PIECE));
            starts.map(|start| Ok(Frame::data(piece(start)))).collect()
        }
        Ok(Err(trailers)) => vec![Ok(trailers)],
        Err(error) => vec![Err(error)],
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::s3::S3Server;

    #[test]
    fn two_bodies_share_the_rate_and_each_answer_takes_a_round_trip() {
        let server = S3Server::start(&["models"]);
        let content = vec![7; 1_000_000];
        server.put("models", "object", content.clone());
        server.network().slow(Duration::from_millis(50), 10_000_000);
        let client = server.client();
        let get = || async {
            let object = client.get_object().bucket("models").key("object").send().await.unwrap();
            object.body.collect().await.unwrap().to_vec()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let started = Instant::now();
        let (one, two) = runtime.block_on(async { tokio::join!(get(), get()) });
        let took = started.elapsed();
        assert!(one == content && two == content);
        // 2 MB at 10 MB/s after one round trip, less the slack of timers.
        assert!(took >= Duration::from_millis(240), "{took:?}");
        // A busy machine takes longer; it does not wait for what has passed.
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}
