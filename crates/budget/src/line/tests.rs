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
        self.0.free_processor();
        self.0.worked(work, work.time, self.1);
        self.0.end(work.client, work.bytes, self.1);
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
