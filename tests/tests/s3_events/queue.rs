//! A queue as SQS keeps it: what was received stays hidden, comes back unless it is deleted, and goes
//! to the dead letters after so many tries.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Messages, and what became of them.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    max_receive_count: u32,
}

#[derive(Debug, Default)]
struct State {
    visible: VecDeque<Message>,
    hidden: Vec<Message>,
    dead: Vec<Message>,
    returned: usize,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub body: String,
    received: u32,
}

impl Queue {
    pub fn new(bodies: impl IntoIterator<Item = String>, max_receive_count: u32) -> Self {
        let message = |(n, body)| Message { id: format!("message-{n}"), body, received: 0 };
        let visible = bodies.into_iter().enumerate().map(message).collect();
        Self { state: Mutex::new(State { visible, ..State::default() }), max_receive_count }
    }

    /// Up to `most` messages, hidden from everybody else from now on.
    pub fn receive(&self, most: usize) -> Vec<Message> {
        let mut state = self.locked();
        let count = most.min(state.visible.len());
        let mut received: Vec<Message> = state.visible.drain(..count).collect();
        for message in &mut received {
            message.received += 1;
        }
        state.hidden.extend(received.iter().cloned());
        received
    }

    /// The answer to a batch: the `failed` come back, the others are deleted.
    pub fn settle(&self, batch: &[Message], failed: &[String]) {
        let mut state = self.locked();
        for message in batch {
            let place = state.hidden.iter().position(|hidden| hidden.id == message.id);
            let message = state.hidden.swap_remove(place.expect("a message that was received"));
            if !failed.contains(&message.id) {
                continue;
            }
            state.returned += 1;
            if message.received >= self.max_receive_count {
                state.dead.push(message);
            } else {
                state.visible.push_back(message);
            }
        }
    }

    /// Messages that wait or are worked on.
    pub fn len(&self) -> usize {
        let state = self.locked();
        state.visible.len() + state.hidden.len()
    }

    pub fn dead(&self) -> usize {
        self.locked().dead.len()
    }

    /// How often a message came back.
    pub fn returned(&self) -> usize {
        self.locked().returned
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
