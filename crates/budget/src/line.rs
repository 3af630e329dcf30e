//! Who is next: a line per client, and the client that was served least goes first.
//!
//! Time is charged when work begins, by its estimate, and corrected when it ends. A client that comes
//! back after a pause is owed nothing for it; what it used beyond its share is remembered until the
//! others have caught up.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::client::Client;

/// How often smaller work may overtake work whose memory is not free yet.
const MOST_OVERTAKEN: u32 = 16;
/// Work that is dear and hardly cost its sender anything is charged so many times its time.
const DEAR_FACTOR: u32 = 8;
/// After dear work, so many times its time are for the work of others, while they are there.
const DEAR_REST: u32 = 4;
/// Dear is what takes longer than this …
const DEAR_TIME: Duration = Duration::from_millis(100);
/// … and more than this for each byte that was sent. A photograph takes 30 ns.
const DEAR_NANOSECONDS_PER_BYTE: u64 = 2_000;

/// Who asked within this time is still there: dear work does not slip between two of its requests.
pub(crate) const PRESENCE: Duration = Duration::from_millis(250);

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Who.
    pub client: Client,
    /// Memory at its peak, without what the sender sent.
    pub bytes: u64,
    /// Estimate of its time on one processor.
    pub time: Duration,
    /// What the sender sent.
    pub sent_bytes: u64,
}

impl Work {
    /// Whether it costs far more than its sender paid: such work waits behind other work.
    pub(crate) fn is_dear(&self) -> bool {
        if self.client == Client::Own {
            return false;
        }
        let paid = self.sent_bytes.saturating_mul(DEAR_NANOSECONDS_PER_BYTE);
        self.time > DEAR_TIME && self.time > Duration::from_nanos(paid)
    }

    fn charge(&self, time: Duration) -> Duration {
        if self.is_dear() { time * DEAR_FACTOR } else { time }
    }
}

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

    /// `work`, which has `bytes` left, ended after `time`.
    pub(crate) fn end(&mut self, work: &Work, bytes: u64, time: Duration, now: Instant) {
        self.free_processors += 1;
        self.release(bytes);
        if work.is_dear() {
            self.dear -= 1;
            self.rested = Some(now + time * DEAR_REST);
        }
        if let Some(line) = self.clients.get_mut(&work.client) {
            line.running -= 1;
            line.seen = now;
            let uncharged = line.served.saturating_sub(work.charge(work.time));
            line.served = uncharged + work.charge(time);
        }
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
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MEGA: u64 = 1 << 20;

    fn client(last: u8) -> Client {
        Client::from(IpAddr::from([192, 0, 2, last]))
    }

    fn work(who: u8, bytes: u64, ms: u64) -> Work {
        let time = Duration::from_millis(ms);
        Work { client: client(who), bytes, time, sent_bytes: 1 << 20 }
    }

    /// Lines at one moment: tests do not wait.
    struct Moment(Lines<u8>, Instant);

    impl Moment {
        fn new(processors: usize, bytes: u64) -> Self {
            Self(Lines::new(processors, bytes), Instant::now())
        }

        fn push(&mut self, work: Work, who: u8) {
            self.0.push(work, who, self.1);
        }

        fn next(&mut self) -> Option<(Work, u8)> {
            self.0.next(self.1, |_| false)
        }

        fn end(&mut self, work: &Work) {
            self.0.end(work, work.bytes, work.time, self.1);
        }

        /// Who is served, in order, when each takes the time it said.
        fn order(&mut self) -> Vec<u8> {
            let mut order = Vec::new();
            while let Some((work, who)) = self.next() {
                self.end(&work);
                order.push(who);
            }
            order
        }
    }

    #[test]
    fn many_from_one_client_do_not_delay_another() {
        let mut lines = Moment::new(1, 100 * MEGA);
        for _ in 0..10 {
            lines.push(work(1, MEGA, 100), 1);
        }
        lines.push(work(2, MEGA, 100), 2);
        let order = lines.order();
        assert!(order.iter().position(|who| *who == 2).unwrap() <= 1, "{order:?}");
    }

    #[test]
    fn shares_are_of_time_and_not_of_requests() {
        let mut lines = Moment::new(1, 100 * MEGA);
        for _ in 0..20 {
            lines.push(work(1, MEGA, 100), 1);
            lines.push(work(2, MEGA, 10), 2);
        }
        let order = lines.order();
        let heavy = order.iter().take(22).filter(|who| **who == 1).count();
        assert!((2..=3).contains(&heavy), "{order:?}");
    }

    #[test]
    fn work_waits_for_its_memory_and_is_overtaken_for_a_while_only() {
        let mut lines = Moment::new(3, 10 * MEGA);
        lines.push(work(1, 8 * MEGA, 1), 1);
        let (first, _) = lines.next().unwrap();
        lines.push(work(2, 8 * MEGA, 1), 2);
        assert!(lines.next().is_none());
        for _ in 0..MOST_OVERTAKEN {
            lines.push(work(3, MEGA, 0), 3);
            let (small, _) = lines.next().unwrap();
            lines.end(&small);
        }
        lines.push(work(3, MEGA, 0), 3);
        assert!(lines.next().is_none(), "small work overtakes large work for ever");
        lines.end(&first);
        assert_eq!(lines.next().unwrap().1, 2);
    }

    #[test]
    fn what_is_absurdly_dear_leaves_a_processor_and_most_of_the_time_to_others() {
        let mut lines = Moment::new(2, 1000 * MEGA);
        let bomb = Work { sent_bytes: 38, ..work(1, 300 * MEGA, 600) };
        assert!(bomb.is_dear() && !work(1, MEGA, 600).is_dear());
        for _ in 0..4 {
            lines.push(bomb, 1);
        }
        let (first, _) = lines.next().unwrap();
        assert!(lines.next().is_none(), "two at a time");
        for _ in 0..100 {
            lines.push(work(2, MEGA, 20), 2);
        }
        lines.end(&first);
        // 100 honest pictures take 2 s, less than a bomb of 600 ms is charged.
        assert_eq!(lines.order(), [2; 100]);
        lines.1 += PRESENCE;
        assert_eq!(lines.order(), [1; 3]);
    }

    #[test]
    fn dear_work_does_not_slip_between_the_requests_of_others() {
        let mut lines = Moment::new(2, 1000 * MEGA);
        let bomb = Work { sent_bytes: 38, ..work(1, 300 * MEGA, 600) };
        lines.push(bomb, 1);
        lines.push(work(2, MEGA, 20), 2);
        assert_eq!(lines.order(), [1, 2]);
        lines.push(bomb, 1);
        assert!(lines.next().is_none());
        lines.1 += PRESENCE;
        assert_eq!(lines.next().unwrap().1, 1);
    }

    #[test]
    fn dear_work_has_a_part_of_one_processor_while_others_are_there() {
        let mut lines = Moment::new(2, 1000 * MEGA);
        let bomb = Work { sent_bytes: 38, ..work(1, MEGA, 600) };
        lines.push(work(2, MEGA, 1), 2);
        lines.push(bomb, 1);
        lines.push(bomb, 1);
        assert_eq!(lines.order(), [2, 1]);
        let mut waited = 0;
        loop {
            lines.push(work(2, MEGA, 1), 2);
            let begun = lines.order();
            if begun.contains(&1) {
                break;
            }
            lines.1 += PRESENCE / 5;
            waited += 50;
        }
        assert!((2400..2600).contains(&waited), "{waited} ms");
    }

    #[test]
    fn a_client_that_paused_is_not_owed_for_it() {
        let mut lines = Moment::new(1, 100 * MEGA);
        lines.push(work(2, MEGA, 1), 2);
        lines.order();
        lines.1 += PRESENCE;
        for _ in 0..10 {
            lines.push(work(1, MEGA, 100), 1);
        }
        for _ in 0..5 {
            let (done, _) = lines.next().unwrap();
            lines.end(&done);
        }
        for _ in 0..10 {
            lines.push(work(2, MEGA, 100), 2);
        }
        let order = lines.order();
        assert!(order[..4].contains(&1), "{order:?}");
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let mut lines = Moment::new(1, 100 * MEGA);
        lines.push(work(1, MEGA, 1), 1);
        lines.push(work(2, MEGA, 1), 2);
        assert_eq!(lines.0.next(lines.1, |who| *who == 1).unwrap().1, 2);
        assert!(lines.next().is_none());
    }
}
