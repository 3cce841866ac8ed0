//! Which secret was used for what, and who changed one. Uses are counted where they happen and written down together, so that a request
//! costs one addition and no row.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::store::audit::UseCount;
use crate::store::{Store, StoreError};

/// How often uses are written down. A hub that is killed forgets those since the last time.
const WRITE: Duration = Duration::from_secs(5);

/// What a secret is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It went out with a request to the vendor.
    Request,
    /// A delivery was verified with it.
    Verify,
    /// The connector had something hashed or compared with it.
    Compute,
    /// A token was asked for with it.
    Token,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Request, Self::Verify, Self::Compute, Self::Token];

    /// The action of its line in the audit.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Request => "secret.request",
            Self::Verify => "secret.verify",
            Self::Compute => "secret.compute",
            Self::Token => "secret.token",
        }
    }
}

/// Counts the uses of one connection's secrets.
#[derive(Debug, Default)]
pub struct Uses {
    counts: BTreeMap<String, [AtomicU64; Purpose::ALL.len()]>,
}

impl Uses {
    /// Counts the uses of these secrets.
    #[must_use]
    pub fn of(names: impl Iterator<Item = String>) -> Self {
        Self { counts: names.map(|it| (it, <[AtomicU64; Purpose::ALL.len()]>::default())).collect() }
    }

    /// A secret was used.
    pub fn note(&self, name: &str, purpose: Purpose) {
        if let Some(counts) = self.counts.get(name) {
            counts[purpose as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since the last time.
    fn take(&self) -> Vec<(String, Purpose, u64)> {
        let each = self.counts.iter().flat_map(|(name, counts)| Purpose::ALL.into_iter().zip(counts).map(move |it| (name, it)));
        each.map(|(name, (purpose, count))| (name.clone(), purpose, count.swap(0, Ordering::Relaxed))).filter(|it| it.2 > 0).collect()
    }
}

/// The counts of every connection that runs in this process, or ran a moment ago.
#[derive(Default)]
pub struct Ledger {
    open: Mutex<Vec<(WorkspaceId, ConnectionId, Arc<Uses>)>>,
}

impl Ledger {
    /// Writes down from now on what is counted there.
    pub fn enter(&self, workspace: WorkspaceId, connection: ConnectionId, uses: &Arc<Uses>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push((workspace, connection, Arc::clone(uses)));
    }

    /// Writes down what was counted.
    pub async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let counts: Vec<UseCount> = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = open.iter().flat_map(|(workspace, connection, uses)| {
                let (workspace, connection) = (*workspace, *connection);
                uses.take().into_iter().map(move |(name, purpose, count)| UseCount { workspace, connection, name, purpose, count })
            });
            let counts = counts.collect();
            // Nobody else counts there any more.
            open.retain(|(_, _, uses)| Arc::strong_count(uses) > 1);
            counts
        };
        store.add_uses(&counts).await
    }
}

/// Writes down what was counted, until `stop`.
pub async fn keep(hub: Hub, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WRITE) => {}
        }
        if let Err(error) = hub.registry.ledger().write(&hub.store).await {
            tracing::warn!(error = %error, "some uses of secrets could not be written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_by_secret_and_purpose_and_taken_once() {
        let uses = Uses::of(["a".to_owned(), "b".to_owned()].into_iter());
        for (name, purpose) in [("a", Purpose::Request), ("a", Purpose::Request), ("b", Purpose::Token), ("c", Purpose::Verify)] {
            uses.note(name, purpose);
        }
        assert_eq!(uses.take(), [("a".to_owned(), Purpose::Request, 2), ("b".to_owned(), Purpose::Token, 1)]);
        assert_eq!(uses.take(), []);
    }
}
