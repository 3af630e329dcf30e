//! One queue for memory and processors.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::OverBudget;
use crate::client::Client;
use crate::line::{Lines, PRESENCE};
use crate::work::Work;

/// Lets work begin when a processor and its memory are free; cloning shares it.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines<oneshot::Sender<Permit>>>,
}

/// A processor and memory, until it is dropped: by the thread that works, when it has ended.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    work: Work,
    /// What is left of the work's.
    bytes: u64,
    begun: Instant,
    /// Whether its processor was given on.
    rests: bool,
    ended: bool,
}

/// A processor of a [`Permit`], for what goes on with its work; until it is dropped.
#[derive(Debug)]
pub struct Processor(Arc<Shared>);

impl Admission {
    /// One work at a time on each processor of the machine, with `bytes` for all of them. On a single
    /// processor two: one is prepared while the model runs.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self::on(thread::available_parallelism().map_or(1, NonZero::get).max(2), bytes)
    }

    /// The same for so many processors.
    #[must_use]
    pub fn on(processors: usize, bytes: u64) -> Self {
        Self(Arc::new(Shared { lines: Mutex::new(Lines::new(processors.max(1), bytes)) }))
    }

    /// Wait until `work` may begin. Who stops waiting leaves the line.
    ///
    /// # Errors
    /// At once, when it needs more than the whole budget.
    pub async fn enter(&self, work: Work) -> Result<Permit, OverBudget> {
        loop {
            let mut woken = self.join(work)?;
            let permit = loop {
                match timeout(PRESENCE, &mut woken).await {
                    Ok(permit) => break permit,
                    // It waits for others to be gone, which nothing else reports.
                    Err(_) => Shared::begin(&self.0),
                }
            };
            // The sender is dropped unused only in a panic.
            if let Ok(permit) = permit {
                return Ok(permit);
            }
        }
    }

    /// The same for a thread that is no task's.
    ///
    /// # Errors
    /// As [`Admission::enter`].
    pub fn enter_blocking(&self, work: Work) -> Result<Permit, OverBudget> {
        loop {
            if let Ok(permit) = self.join(work)?.blocking_recv() {
                return Ok(permit);
            }
        }
    }

    fn join(&self, work: Work) -> Result<oneshot::Receiver<Permit>, OverBudget> {
        let (wake, woken) = oneshot::channel();
        {
            let mut lines = self.0.lines();
            if work.bytes > lines.bytes() {
                return Err(OverBudget { budget: lines.bytes() });
            }
            lines.push(work, wake, Instant::now());
        }
        Shared::begin(&self.0);
        Ok(woken)
    }

    /// How much each of `clients` was served.
    pub(crate) fn served(
        &self,
        clients: impl Iterator<Item = Client>,
    ) -> HashMap<Client, Duration> {
        let lines = self.0.lines();
        clients.map(|client| (client, lines.served(client))).collect()
    }

    /// `client` was served for `time` without a permit.
    pub(crate) fn serve(&self, client: Client, time: Duration) {
        self.0.lines().serve(client, time, Instant::now());
    }

    /// Change the budget; what has begun keeps what it has.
    pub fn set_bytes(&self, bytes: u64) {
        self.0.lines().set_bytes(bytes);
        Shared::begin(&self.0);
    }

    /// The whole budget.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.lines().bytes()
    }

    /// What is taken of it.
    #[must_use]
    pub fn taken_bytes(&self) -> u64 {
        self.0.lines().taken_bytes()
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines<oneshot::Sender<Permit>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let all begin that can.
    fn begin(shared: &Arc<Self>) {
        loop {
            let next = shared.lines().next(Instant::now(), oneshot::Sender::is_closed);
            let Some((work, wake)) = next else { return };
            let (begun, bytes) = (Instant::now(), work.bytes);
            let (rests, ended) = (false, false);
            let permit = Permit { shared: shared.clone(), work, bytes, begun, rests, ended };
            if let Err(mut permit) = wake.send(permit) {
                // Gone meanwhile: ended here, because its drop would come back to this loop.
                permit.end(Duration::ZERO);
            }
        }
    }
}

impl Permit {
    /// Whose it is.
    #[must_use]
    pub fn client(&self) -> Client {
        self.work.client
    }

    /// Give all memory back but `bytes`, and keep the processor.
    pub fn keep(&mut self, bytes: u64) {
        let released = self.bytes.saturating_sub(bytes);
        self.bytes -= released;
        self.shared.lines().release(released);
        Shared::begin(&self.shared);
    }

    /// The work on the processor is done: who goes on with it takes the processor, or drops it. The
    /// memory stays taken, and the client is there, until the permit is dropped.
    pub fn rest(&mut self) -> Option<Processor> {
        if std::mem::replace(&mut self.rests, true) {
            return None;
        }
        self.shared.lines().worked(&self.work, self.begun.elapsed(), Instant::now());
        Some(Processor(self.shared.clone()))
    }

    fn end(&mut self, time: Duration) {
        let mut lines = self.shared.lines();
        let now = Instant::now();
        if !self.rests {
            lines.worked(&self.work, time, now);
            lines.free_processor();
        }
        lines.end(self.work.client, self.bytes, now);
        self.ended = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.end(self.begun.elapsed());
            Shared::begin(&self.shared);
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.0.lines().free_processor();
        Shared::begin(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(bytes: u64) -> Work {
        Work { client: Client::Own, bytes, time: Duration::from_millis(1), sent_bytes: 1000 }
    }

    #[test]
    fn memory_is_never_promised_twice() {
        let admission = Admission::on(8, 100);
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let admission = admission.clone();
                thread::spawn(move || {
                    for _ in 0..50 {
                        let permit = admission.enter_blocking(work(40)).unwrap();
                        assert!(admission.taken_bytes() <= 100);
                        drop(permit);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(admission.taken_bytes(), 0);
    }

    #[test]
    fn what_is_larger_than_the_budget_is_refused_at_once() {
        let admission = Admission::on(1, 100);
        let refused = admission.enter_blocking(work(101)).unwrap_err();
        assert_eq!(refused, OverBudget { budget: 100 });
        assert!(admission.enter_blocking(work(100)).is_ok());
    }

    #[test]
    fn memory_given_back_early_lets_others_begin() {
        let admission = Admission::on(2, 100);
        let mut first = admission.enter_blocking(work(80)).unwrap();
        let second = admission.join(work(80)).unwrap();
        first.keep(10);
        assert_eq!(second.blocking_recv().unwrap().bytes, 80);
        drop(first);
        assert_eq!(admission.taken_bytes(), 0);
    }

    #[test]
    fn work_that_rests_keeps_its_memory_and_gives_its_processor_on() {
        let admission = Admission::on(1, 100);
        let mut first = admission.enter_blocking(work(80)).unwrap();
        let mut second = admission.join(work(20)).unwrap();
        let processor = first.rest().unwrap();
        assert!(first.rest().is_none() && second.try_recv().is_err());
        drop(processor);
        let second = second.try_recv().unwrap();
        assert_eq!(admission.taken_bytes(), 100);
        drop((first, second));
        assert_eq!(admission.taken_bytes(), 0);
        assert!(admission.enter_blocking(work(100)).is_ok());
    }

    #[test]
    fn who_stopped_waiting_takes_nothing() {
        let admission = Admission::on(1, 100);
        let first = admission.enter_blocking(work(10)).unwrap();
        drop(admission.join(work(10)).unwrap());
        let third = admission.join(work(10)).unwrap();
        drop(first);
        drop(third.blocking_recv().unwrap());
        assert_eq!(admission.taken_bytes(), 0);
    }
}
