//! What a connector remembers between calls: a few bytes per key, scoped to one connection, with a quota.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::Clock;
use crate::ids::ConnectionId;
use crate::store::{Store, StoreError};

/// Where the state of one connection is kept.
pub enum StateKeeper {
    /// In the database.
    Stored {
        /// The database.
        store: Store,
        /// The connection.
        connection: ConnectionId,
    },
    /// In memory, for a run that keeps nothing.
    Memory(Mutex<HashMap<String, Entry>>),
}

/// A value in memory.
pub struct Entry {
    value: Vec<u8>,
    expires_at: Option<i64>,
}

impl StateKeeper {
    /// State that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Forgets what is kept in memory. What is in the database stays.
    pub fn forget(&self) {
        if let Self::Memory(entries) = self {
            lock(entries).clear();
        }
    }

    /// The value, where there is one that has not expired.
    pub async fn get(&self, clock: &Clock, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let now = clock.now_ms();
        match self {
            Self::Stored { store, connection } => store.state_get(*connection, key, now).await,
            Self::Memory(entries) => {
                Ok(lock(entries).get(key).filter(|it| it.expires_at.is_none_or(|at| at > now)).map(|it| it.value.clone()))
            }
        }
    }

    /// Replaces `expected` by `value` where `expected` stands; `Any` replaces whatever stands. False: something else stood there.
    pub async fn replace(
        &self,
        clock: &Clock,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        expires_at: Option<i64>,
        quota: u32,
    ) -> Result<bool, StoreError> {
        let now = clock.now_ms();
        match self {
            Self::Stored { store, connection } => store.state_replace(*connection, key, expected, value, expires_at, now, quota).await,
            Self::Memory(entries) => {
                let mut entries = lock(entries);
                entries.retain(|_, it| it.expires_at.is_none_or(|at| at > now));
                let current = entries.get(key).map(|it| it.value.as_slice());
                if !expected.matches(current) {
                    return Ok(false);
                }
                let others: usize = entries.iter().filter(|(it, _)| *it != key).map(|(key, it)| key.len() + it.value.len()).sum();
                if value.is_some_and(|it| others + key.len() + it.len() > quota as usize) {
                    return Err(StoreError::StateQuota { quota });
                }
                match value {
                    Some(value) => entries.insert(key.to_owned(), Entry { value: value.to_vec(), expires_at }),
                    None => entries.remove(key),
                };
                Ok(true)
            }
        }
    }
}

/// What must stand in a key for it to be replaced.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// Anything or nothing.
    Any,
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
}

impl Expected<'_> {
    /// True when `current` is what was expected.
    #[must_use]
    pub fn matches(self, current: Option<&[u8]>) -> bool {
        match self {
            Self::Any => true,
            Self::Nothing => current.is_none(),
            Self::Bytes(bytes) => current == Some(bytes),
        }
    }
}

fn lock(entries: &Mutex<HashMap<String, Entry>>) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
    entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
