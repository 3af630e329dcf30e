//! Runs of the model: what is prepared waits in one line, and whoever runs takes several at once.
//!
//! There is no thread for it. Who comes when nobody runs leads: it runs what it brought, then what has
//! come meanwhile, until nothing waits. So nothing is delayed to wait for more, and a lone picture is
//! run by the thread that prepared it. Who is next is decided as in [`Admission`], by the same account
//! of who was served.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::admission::{Admission, Processor};
use crate::client::Client;

/// What a client's next picture in a run is charged with, before runs were measured.
const GUESS: Duration = Duration::from_millis(10);

/// The line for runs; cloning shares it. `J` is what waits.
#[derive(Debug)]
pub struct Runs<J>(Arc<Shared<J>>);

#[derive(Debug)]
struct Shared<J> {
    admission: Admission,
    state: Mutex<State<J>>,
}

#[derive(Debug)]
struct State<J> {
    most: usize,
    waiting: VecDeque<(Client, J)>,
    is_led: bool,
    /// Time of a run for each of what it had, the last time.
    each: Duration,
}

/// The duty to run what waits, until [`Lead::next`] has nothing more.
#[derive(Debug)]
pub struct Lead<J> {
    shared: Arc<Shared<J>>,
    /// Held while there are runs.
    _processor: Option<Processor>,
    /// The run under way: since when, and whose.
    run: Option<(Instant, Vec<Client>)>,
    is_over: bool,
}

impl<J> Clone for Runs<J> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<J> Runs<J> {
    /// A line for clients of `admission`; each run takes one until [`Runs::set_most`] says more.
    #[must_use]
    pub fn new(admission: Admission) -> Self {
        let state = State { most: 1, waiting: VecDeque::new(), is_led: false, each: GUESS };
        Self(Arc::new(Shared { admission, state: Mutex::new(state) }))
    }

    /// Let a run take so many.
    pub fn set_most(&self, most: usize) {
        self.0.state().most = most.max(1);
    }

    /// Add `jobs` of `client`. Where nobody runs, the caller leads, on `processor` if it has one.
    pub fn join(
        &self,
        client: Client,
        jobs: impl IntoIterator<Item = J>,
        processor: Option<Processor>,
    ) -> Option<Lead<J>> {
        let mut state = self.0.state();
        state.waiting.extend(jobs.into_iter().map(|job| (client, job)));
        if std::mem::replace(&mut state.is_led, true) {
            // Given back once the line is free: others begin with it.
            drop(state);
            drop(processor);
            return None;
        }
        Some(Lead { shared: self.0.clone(), _processor: processor, run: None, is_over: false })
    }
}

impl<J> Shared<J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    /// The next run, with whose each is: who was served least comes first.
    fn take(&mut self, admission: &Admission) -> (Vec<Client>, Vec<J>) {
        if self.waiting.len() <= self.most {
            return self.waiting.drain(..).unzip();
        }
        let mut served = admission.served(self.waiting.iter().map(|(client, _)| *client));
        let mut taken = (Vec::new(), Vec::new());
        while taken.0.len() < self.most {
            let places = self.waiting.iter().enumerate();
            let first = places.min_by_key(|(place, (client, _))| (served.get(client), *place));
            let Some(place) = first.map(|(place, _)| place) else { break };
            let Some((client, job)) = self.waiting.remove(place) else { break };
            *served.entry(client).or_default() += self.each;
            taken.0.push(client);
            taken.1.push(job);
        }
        taken
    }
}

impl<J> Lead<J> {
    /// What is to be run now, at least one. The time until the next call is charged to those whose it
    /// is. Without anything, somebody else leads from now on. `is_gone`: nobody waits for it any more.
    pub fn next(&mut self, is_gone: impl Fn(&J) -> bool) -> Option<Vec<J>> {
        let each = self.charge();
        let mut gone = Vec::new();
        let mut state = self.shared.state();
        state.each = each.unwrap_or(state.each);
        for _ in 0..state.waiting.len() {
            let Some((client, job)) = state.waiting.pop_front() else { break };
            if is_gone(&job) { gone.push(job) } else { state.waiting.push_back((client, job)) }
        }
        let (clients, jobs) = state.take(&self.shared.admission);
        if jobs.is_empty() {
            state.is_led = false;
            self.is_over = true;
        }
        drop(state);
        if jobs.is_empty() {
            return None;
        }
        self.run = Some((Instant::now(), clients));
        Some(jobs)
    }

    /// Charge the run that is over; how long each took.
    fn charge(&mut self) -> Option<Duration> {
        let (begun, clients) = self.run.take()?;
        let each = begun.elapsed() / u32::try_from(clients.len().max(1)).unwrap_or(u32::MAX);
        for client in clients {
            self.shared.admission.serve(client, each);
        }
        Some(each)
    }
}

impl<J> Drop for Lead<J> {
    /// Who leads ends in the middle only by a panic: what waits is given up, rather than never run.
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.shared.state();
            state.is_led = false;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            drop(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::work::Work;

    fn client(last: u8) -> Client {
        Client::from(IpAddr::from([192, 0, 2, last]))
    }

    fn runs(most: usize) -> Runs<u8> {
        let runs = Runs::new(Admission::on(1, 100));
        runs.set_most(most);
        runs
    }

    fn next(lead: &mut Lead<u8>) -> Option<Vec<u8>> {
        lead.next(|_| false)
    }

    #[test]
    fn what_comes_during_a_run_shares_the_next_ones() {
        let runs = runs(3);
        let mut lead = runs.join(client(1), [0], None).unwrap();
        assert_eq!(next(&mut lead).unwrap(), [0]);
        for job in 1..=5 {
            assert!(runs.join(client(1), [job], None).is_none());
        }
        assert_eq!(next(&mut lead).unwrap(), [1, 2, 3]);
        assert_eq!(next(&mut lead).unwrap(), [4, 5]);
        assert_eq!(next(&mut lead), None);
        assert!(runs.join(client(1), [6], None).is_some());
    }

    #[test]
    fn many_of_one_client_do_not_delay_another() {
        let runs = runs(4);
        let mut lead = runs.join(client(1), [0], None).unwrap();
        next(&mut lead).unwrap();
        assert!(runs.join(client(1), 1..=20, None).is_none());
        assert!(runs.join(client(2), [100, 101], None).is_none());
        let mut run = next(&mut lead).unwrap();
        run.sort_unstable();
        assert_eq!(run, [1, 2, 100, 101]);
    }

    #[test]
    fn a_run_is_charged_to_those_whose_pictures_it_had() {
        let runs = runs(4);
        let mut lead = runs.join(client(1), [0, 1], None).unwrap();
        next(&mut lead).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(next(&mut lead), None);
        let served = runs.0.admission.served([client(1), client(2)].into_iter());
        assert!(served[&client(1)] >= Duration::from_millis(20), "{served:?}");
    }

    #[test]
    fn who_gave_up_waiting_is_not_run() {
        let runs = runs(4);
        let mut lead = runs.join(client(1), [0], None).unwrap();
        next(&mut lead).unwrap();
        assert!(runs.join(client(1), [1, 2, 3], None).is_none());
        assert_eq!(lead.next(|job| *job == 2).unwrap(), [1, 3]);
    }

    #[test]
    fn a_lead_that_is_lost_does_not_stop_the_line() {
        let runs = runs(4);
        let lead = runs.join(client(1), [0], None).unwrap();
        drop(lead);
        let mut lead = runs.join(client(1), [1], None).unwrap();
        assert_eq!(next(&mut lead).unwrap(), [1]);
    }

    #[test]
    fn a_run_keeps_the_processor_of_who_leads() {
        let admission = Admission::on(1, 100);
        let runs = Runs::new(admission.clone());
        let work = |client| Work { client, bytes: 1, time: Duration::ZERO, sent_bytes: 1000 };
        let mut permit = admission.enter_blocking(work(client(1))).unwrap();
        let lead = runs.join(client(1), [0], permit.rest());
        drop(permit);
        let waiting = std::thread::spawn({
            let admission = admission.clone();
            move || admission.enter_blocking(work(client(2))).map(|_| Instant::now())
        });
        std::thread::sleep(Duration::from_millis(50));
        let ended = Instant::now();
        drop(lead);
        assert!(waiting.join().unwrap().unwrap() >= ended);
    }
}
