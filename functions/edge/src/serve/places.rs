//! Places for connections: where there are too few, connections that wait for their client make room.
//!
//! A connection waits for its client while there is no request on it, and while the client takes nothing
//! of an answer. Whoever opens many of them loses the longest waiting to those who come after. A
//! connection whose request is worked on is never let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use glimpse_budget::Client;
use tokio::sync::Notify;
use tokio::time::timeout;

/// An answer that is larger than the buffers of both sides goes on within this time.
const STALLED: Duration = Duration::from_secs(1);
/// How often who waits for a place looks whether a connection has stalled since.
const LOOK: Duration = Duration::from_millis(200);

/// Cloning shares them.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    count: u64,
    open: HashMap<u64, Open>,
}

/// An open connection.
struct Open {
    /// Nobody's, where it is a proxy's: then it counts for itself.
    client: Option<Client>,
    doing: Doing,
    let_go: Arc<Notify>,
}

#[derive(Clone, Copy, PartialEq)]
enum Doing {
    /// Between two requests, or while one arrives.
    Idle(Instant),
    Working,
    /// There is an answer, which is being sent.
    Answering,
    /// Nothing of the answer was taken since.
    Stalled(Instant),
}

/// A connection's place, until it is dropped.
pub struct Place {
    shared: Arc<Shared>,
    number: u64,
    let_go: Arc<Notify>,
}

/// One client has all the places that it may have, and something to do on each.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Places {
    /// So many, three quarters of them for one client.
    pub fn new(most: usize) -> Self {
        let (state, freed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { most: most.max(1), state, freed }))
    }

    /// Connections that are open.
    pub fn taken(&self) -> usize {
        self.0.state().open.len()
    }

    /// A place for a connection of `client`, or of a proxy; waits while all are worked on.
    ///
    /// # Errors
    /// When it is the client itself that has too many.
    pub async fn take(&self, client: Option<Client>) -> Result<Place, TooMany> {
        loop {
            let freed = self.0.freed.notified();
            if let Some(taken) = self.try_take(client, Instant::now()) {
                return taken;
            }
            let _ = timeout(LOOK, freed).await;
        }
    }

    /// `None` while all places are taken and worked on.
    fn try_take(&self, client: Option<Client>, now: Instant) -> Option<Result<Place, TooMany>> {
        let mut state = self.0.state();
        let own = |open: &Open| client.is_some() && open.client == client;
        if state.open.values().filter(|open| own(open)).count() >= part(self.0.most)
            && !state.let_one_go(now, own)
        {
            return Some(Err(TooMany));
        }
        if state.open.len() >= self.0.most && !state.let_one_go(now, |_| true) {
            return None;
        }
        let (number, let_go) = (state.count, Arc::new(Notify::new()));
        let open = Open { client, doing: Doing::Idle(now), let_go: let_go.clone() };
        state.count += 1;
        state.open.insert(number, open);
        Some(Ok(Place { shared: self.0.clone(), number, let_go }))
    }
}

/// What one client may have; all of very few.
fn part(most: usize) -> usize {
    most - most / 4
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Let the longest waiting connection of the client go that has most of them, among some; whether
    /// there was one.
    fn let_one_go(&mut self, now: Instant, among: impl Fn(&Open) -> bool) -> bool {
        let mut counts = HashMap::new();
        for client in self.open.values().filter_map(|open| open.client) {
            *counts.entry(client).or_insert(0_usize) += 1;
        }
        let count = |open: &Open| open.client.and_then(|client| counts.get(&client)).copied();
        let waiting =
            self.open.iter().filter(|(_, open)| among(open)).filter_map(|(number, open)| {
                Some((count(open).unwrap_or(1), open.doing.waits(now)?, *number))
            });
        let Some((.., number)) = waiting.max() else { return false };
        if let Some(open) = self.open.remove(&number) {
            open.let_go.notify_one();
        }
        true
    }
}

impl Doing {
    /// For how long it waits for its client, if it does.
    fn waits(self, now: Instant) -> Option<Duration> {
        let (since, least) = match self {
            Self::Idle(since) => (since, Duration::ZERO),
            Self::Stalled(since) => (since, STALLED),
            Self::Working | Self::Answering => return None,
        };
        Some(now.saturating_duration_since(since)).filter(|waits| *waits >= least)
    }
}

impl Place {
    /// Wait until it is given to another connection.
    pub async fn lost(&self) {
        self.let_go.notified().await;
    }

    /// A request has arrived.
    pub fn work(&self) {
        self.set(|_| Some(Doing::Working));
    }

    /// Its answer is there.
    pub fn answer(&self) {
        self.set(|_| Some(Doing::Answering));
    }

    /// All that was to be sent is sent.
    pub fn sent(&self) {
        let answered = |doing| matches!(doing, Doing::Answering | Doing::Stalled(_));
        self.set(|doing| answered(doing).then(|| Doing::Idle(Instant::now())));
    }

    /// The client takes nothing.
    pub fn stall(&self) {
        self.set(|doing| (doing == Doing::Answering).then(|| Doing::Stalled(Instant::now())));
    }

    /// The client takes something again.
    pub fn go_on(&self) {
        self.set(|doing| matches!(doing, Doing::Stalled(_)).then_some(Doing::Answering));
    }

    fn set(&self, next: impl FnOnce(Doing) -> Option<Doing>) {
        let mut state = self.shared.state();
        let Some(open) = state.open.get_mut(&self.number) else { return };
        let Some(next) = next(open.doing) else { return };
        let waits = matches!(next, Doing::Idle(_));
        open.doing = next;
        drop(state);
        if waits {
            self.shared.freed.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.number);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> Option<Client> {
        Some(Client::Token(number))
    }

    /// Whether it was given to another connection.
    fn is_lost(places: &Places, place: &Place) -> bool {
        !places.0.state().open.contains_key(&place.number)
    }

    #[test]
    fn whoever_has_most_loses_the_longest_waiting() {
        let places = Places::new(4);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let take = |of, seconds| places.try_take(of, at(seconds)).unwrap().unwrap();
        let other = take(client(2), 0);
        let many: Vec<_> = (1..4).map(|seconds| take(client(1), seconds)).collect();
        let new = take(client(3), 4);
        let lost: Vec<_> = many.iter().map(|place| is_lost(&places, place)).collect();
        assert_eq!(lost, [true, false, false]);
        assert!(!is_lost(&places, &other) && !is_lost(&places, &new));
    }

    #[test]
    fn one_client_gives_room_to_its_own() {
        let places = Places::new(4);
        let take = |of| places.try_take(of, Instant::now());
        let first: Vec<_> = (0..3).map(|_| take(client(1)).unwrap().unwrap()).collect();
        let fourth = take(client(1)).unwrap().unwrap();
        assert_eq!(places.taken(), 3);
        assert!(is_lost(&places, &first[0]));
        first[1..].iter().chain([&fourth]).for_each(Place::work);
        assert_eq!(take(client(1)).unwrap().err(), Some(TooMany));
        assert!(take(client(2)).unwrap().is_ok());
    }

    #[test]
    fn what_is_worked_on_stays() {
        let places = Places::new(1);
        let take = |now| places.try_take(None, now);
        let first = take(Instant::now()).unwrap().unwrap();
        first.work();
        assert!(take(Instant::now()).is_none());
        first.answer();
        first.stall();
        first.work();
        assert!(take(Instant::now() + STALLED).is_none(), "it is worked on");
        first.answer();
        first.stall();
        assert!(take(Instant::now()).is_none(), "it may only be slow");
        first.go_on();
        assert!(take(Instant::now() + STALLED).is_none(), "it is not stalled any more");
        first.stall();
        let second = take(Instant::now() + STALLED).unwrap().unwrap();
        assert!(is_lost(&places, &first));
        second.work();
        second.answer();
        second.sent();
        drop(first);
        assert!(take(Instant::now()).unwrap().is_ok() && is_lost(&places, &second));
    }

    #[test]
    fn who_waits_for_a_place_gets_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let places = Places::new(1);
            let first = places.take(None).await.unwrap();
            first.work();
            let (second, ()) = tokio::join!(places.take(client(1)), async { drop(first) });
            let second = second.unwrap();
            let (third, ()) = tokio::join!(places.take(None), second.lost());
            assert!(third.is_ok());
        });
    }
}
