//! Who is next: a line per client, and the client that was served least goes first.
//!
//! Time is charged when work begins, by its estimate, and corrected when it ends. A client that comes
//! back after a pause is owed nothing for it; what it used beyond its share is remembered until the
//! others have caught up.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::work::Work;

/// How often smaller work may overtake work whose memory is not free yet.
const MOST_OVERTAKEN: u32 = 16;
/// After dear work, so many times its time are for the work of others, while they are there.
const DEAR_REST: u32 = 4;

/// Who asked within this time is still there: dear work does not slip between two of its requests.
pub(crate) const PRESENCE: Duration = Duration::from_millis(250);

/// Everybody who waits, and what is free. `T` wakes one that waits.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    processors: usize,
    free_processors: usize,
    bytes: u64,
    taken_bytes: u64,
    dear: usize,
    /// Until when dear work rests.
    rested: Option<Instant>,
    /// What the client was served that was served least; it never falls.
    floor: Duration,
    clients: HashMap<Client, Line<T>>,
    /// Of those that joined.
    count: u64,
}

#[derive(Debug)]
struct Line<T> {
    served: Duration,
    /// When it last came or ended something.
    seen: Instant,
    running: usize,
    waiting: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    work: Work,
    number: u64,
    overtaken: u32,
    wake: T,
}

impl<T> Lines<T> {
    pub(crate) fn new(processors: usize, bytes: u64) -> Self {
        Self {
            processors,
            free_processors: processors,
            bytes,
            taken_bytes: 0,
            dear: 0,
            rested: None,
            floor: Duration::ZERO,
            clients: HashMap::new(),
            count: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    pub(crate) fn push(&mut self, work: Work, wake: T, now: Instant) {
        let floor = self.floor;
        let line = self.clients.entry(work.client).or_insert_with(|| Line::new(now));
        line.seen = now;
        line.served = line.served.max(floor);
        line.waiting.push_back(Waiting { work, number: self.count, overtaken: 0, wake });
        self.count += 1;
    }

    /// Begin the next work, if there is any that can; `is_gone` says who has given up waiting.
    pub(crate) fn next(&mut self, now: Instant, is_gone: impl Fn(&T) -> bool) -> Option<(Work, T)> {
        if self.free_processors == 0 {
            return None;
        }
        for line in self.clients.values_mut() {
            line.waiting.retain(|waiting| !is_gone(&waiting.wake));
        }
        let first = |(client, line): (&Client, &Line<T>)| {
            line.waiting.front().map(|first| (line.served, first.number, *client))
        };
        let mut order: Vec<_> = self.clients.iter().filter_map(first).collect();
        order.sort_unstable_by_key(|(served, number, _)| (*served, *number));
        let mut overtaken = Vec::new();
        for (_, _, client) in order {
            match self.look(client, now) {
                Look::Fits => {
                    overtaken.into_iter().for_each(|client| self.overtake(client));
                    return self.begin(client);
                }
                Look::Later => {}
                Look::Short => overtaken.push(client),
                Look::Next => return None,
            }
        }
        None
    }

    /// Whether the first in a client's line can begin, and whether others may before it.
    fn look(&self, client: Client, now: Instant) -> Look {
        let first = self.clients.get(&client).and_then(|line| line.waiting.front());
        let Some(Waiting { work, overtaken, .. }) = first else { return Look::Later };
        let rests = || self.rested.is_some_and(|until| now < until) && self.is_ahead(client, now);
        if work.is_dear() && (self.dear_is_full() || rests()) {
            return Look::Later;
        }
        // What joined the line before the budget shrank must not wait for ever.
        let free = self.bytes.saturating_sub(self.taken_bytes);
        match work.bytes <= free || self.taken_bytes == 0 {
            true => Look::Fits,
            false if *overtaken < MOST_OVERTAKEN => Look::Short,
            false => Look::Next,
        }
    }

    /// One processor at least stays for others, where there are several.
    fn dear_is_full(&self) -> bool {
        self.dear >= (self.processors / 2).max(1)
    }

    /// Whether somebody who is there was served less.
    fn is_ahead(&self, client: Client, now: Instant) -> bool {
        let served = self.clients.get(&client).map(|line| line.served);
        let mut others = self.clients.iter().filter(|(other, _)| **other != client);
        others.any(|(_, line)| line.is_present(now) && Some(line.served) < served)
    }

    fn overtake(&mut self, client: Client) {
        let first = self.clients.get_mut(&client).and_then(|line| line.waiting.front_mut());
        if let Some(first) = first {
            first.overtaken += 1;
        }
    }

    fn begin(&mut self, client: Client) -> Option<(Work, T)> {
        let line = self.clients.get_mut(&client)?;
        let Waiting { work, wake, .. } = line.waiting.pop_front()?;
        line.running += 1;
        line.served += work.charge(work.time);
        self.free_processors -= 1;
        self.taken_bytes += work.bytes;
        self.dear += usize::from(work.is_dear());
        Some((work, wake))
    }

    /// Give memory back before the end of the work.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.taken_bytes = self.taken_bytes.saturating_sub(bytes);
    }

    /// The processor of a work is free again.
    pub(crate) fn free_processor(&mut self) {
        self.free_processors += 1;
    }

    /// `work` took its processor for `time`, and does not need it any more.
    pub(crate) fn worked(&mut self, work: &Work, time: Duration, now: Instant) {
        if work.is_dear() {
            self.dear -= 1;
            self.rested = Some(now + time * DEAR_REST);
        }
        if let Some(line) = self.clients.get_mut(&work.client) {
            line.seen = now;
            let uncharged = line.served.saturating_sub(work.charge(work.time));
            line.served = uncharged + work.charge(time);
        }
        self.catch_up(now);
    }

    /// `client` was served for `time` besides.
    pub(crate) fn serve(&mut self, client: Client, time: Duration, now: Instant) {
        let floor = self.floor;
        let line = self.clients.entry(client).or_insert_with(|| Line::new(now));
        line.seen = now;
        line.served = line.served.max(floor) + time;
        self.catch_up(now);
    }

    /// How much a client was served, compared with others.
    pub(crate) fn served(&self, client: Client) -> Duration {
        self.clients.get(&client).map_or(self.floor, |line| line.served.max(self.floor))
    }

    /// Work of `client`, which has `bytes` left, is over.
    pub(crate) fn end(&mut self, client: Client, bytes: u64, now: Instant) {
        self.release(bytes);
        if let Some(line) = self.clients.get_mut(&client) {
            line.running -= 1;
            line.seen = now;
        }
        self.catch_up(now);
    }

    /// Raise the floor to who was served least, and forget who is gone and owes nothing.
    fn catch_up(&mut self, now: Instant) {
        let present = self.clients.values().filter(|line| line.is_present(now));
        let least = present.map(|line| line.served).min();
        // With nobody there, everybody begins anew.
        let least = least.or_else(|| self.clients.values().map(|line| line.served).max());
        self.floor = self.floor.max(least.unwrap_or_default());
        let floor = self.floor;
        self.clients.retain(|_, line| line.is_present(now) || line.served > floor);
    }
}

enum Look {
    /// It can begin.
    Fits,
    /// Others may begin before it.
    Later,
    /// Its memory is not free; others may overtake it.
    Short,
    /// Its memory is not free, and it was overtaken often enough.
    Next,
}

impl<T> Line<T> {
    fn new(now: Instant) -> Self {
        Self { served: Duration::ZERO, seen: now, running: 0, waiting: VecDeque::new() }
    }

    fn is_present(&self, now: Instant) -> bool {
        let seen = now.saturating_duration_since(self.seen) < PRESENCE;
        seen || self.running > 0 || !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
