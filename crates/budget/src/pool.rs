//! Bytes of request bodies that are in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Client;

/// A client's part of the pool and of places, in quarters: the rest stays for others.
const CLIENT_QUARTERS: u64 = 3;

/// So many units, for bytes or places; cloning shares it.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    size: u64,
    taken: u64,
    clients: HashMap<Client, u64>,
}

/// Part of a [`Pool`], until it is dropped.
#[derive(Debug)]
pub struct Reserved {
    pool: Pool,
    client: Client,
    units: u64,
}

impl Pool {
    /// A pool of this size.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self(Arc::new(Mutex::new(State { size, taken: 0, clients: HashMap::new() })))
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.state().size
    }

    /// How much of it one client may have, unless all at once.
    #[must_use]
    pub fn most_of_one(&self) -> u64 {
        part(self.size())
    }

    /// How much of it is taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.state().taken
    }

    /// Change the size; what is taken stays.
    pub fn resize(&self, size: u64) {
        self.state().size = size;
    }

    /// Reserve `units` for `client`, if they are free and no more than a client's part. The first of
    /// a client is admitted whatever its part, if it is free.
    #[must_use]
    pub fn reserve(&self, client: Client, units: u64) -> Option<Reserved> {
        self.state().take(client, units).then(|| Reserved { pool: self.clone(), client, units })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, client: Client, units: u64) -> bool {
        let own = self.clients.get(&client).copied().unwrap_or(0);
        let part = part(self.size);
        let free = self.size.saturating_sub(self.taken);
        if units > free || (own > 0 && own.saturating_add(units) > part) {
            return false;
        }
        self.taken += units;
        self.clients.insert(client, own + units);
        true
    }
}

/// What one client may have of it; all of very little.
fn part(size: u64) -> u64 {
    (size / 4).saturating_mul(CLIENT_QUARTERS) + size % 4
}

impl Reserved {
    /// What it is part of.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How much it is.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Reserve `units` more; whether they were free.
    #[must_use]
    pub fn grow(&mut self, units: u64) -> bool {
        let grown = self.pool.state().take(self.client, units);
        self.units += if grown { units } else { 0 };
        grown
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.taken = state.taken.saturating_sub(self.units);
        let own = state.clients.get(&self.client).copied().unwrap_or(0);
        match own.saturating_sub(self.units) {
            0 => state.clients.remove(&self.client),
            left => state.clients.insert(self.client, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_a_quarter_to_the_others() {
        let pool = Pool::new(100);
        let one = Client::Token(1);
        let mut first = pool.reserve(one, 40).unwrap();
        assert!(first.grow(35) && !first.grow(1));
        assert!(pool.reserve(one, 1).is_none());
        let other = pool.reserve(Client::Token(2), 25).unwrap();
        assert!(pool.reserve(Client::Token(3), 1).is_none());
        drop((first, other));
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn a_pool_of_one_serves_one() {
        let pool = Pool::new(1);
        let first = pool.reserve(Client::Own, 1).unwrap();
        assert!(pool.reserve(Client::Own, 1).is_none());
        drop(first);
        assert!(pool.reserve(Client::Own, 1).is_some());
    }
}
