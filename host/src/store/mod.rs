//! The store: the only place that knows SQL. One function, one query; every query takes the workspace or a connection of it.

pub mod alerts;
pub mod audit;
pub mod authorisations;
pub mod connections;
pub mod counters;
mod db;
pub mod dead;
pub mod deliveries;
pub mod doctor;
pub mod holds;
pub mod imports;
pub mod ingest;
pub mod keys;
pub mod leads;
pub mod links;
pub mod mappings;
pub mod outbox;
pub mod people;
mod polls;
pub mod quarantines;
mod rates;
pub mod registrations;
pub mod replay;
pub mod retention;
pub mod sayings;
pub mod shadows;
pub mod stages;
mod state;
pub mod streams;
#[cfg(test)]
mod tests;
mod time;
pub mod tokens;
pub mod workspaces;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use db::{Db, Record, Tx, Type, Value};

use crate::clock::Clock;
use crate::ids::Ids;

/// The database and what every write needs.
#[derive(Clone)]
pub struct Store {
    db: Db,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: Arc<Ids>,
    /// Deliveries that this process took in.
    taken: Arc<AtomicU64>,
    /// Bytes of the deliveries that could not be written last, until something can.
    refused: Arc<AtomicUsize>,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not do it.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database cannot be opened.
    #[error("the database {url} cannot be opened: {source}")]
    Open {
        /// Its address without a password.
        url: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Lanes could not be leased, or were, and the answer was lost.
    #[error("lanes could not be leased: {source}")]
    Claim {
        /// What they are leased under, if they are.
        token: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A connector wants to keep more than it may.
    #[error("a connector may keep {quota} bytes of state")]
    StateQuota {
        /// Bytes.
        quota: u32,
    },
    /// A row that must be there is not.
    #[error("{0} is gone: it was changed or removed meanwhile")]
    Gone(&'static str),
    /// An idempotency key stands for another wish.
    #[error("this idempotency key stands for something else that was asked before: take a new one")]
    KeyReused,
    /// A secret was sealed with a key that is not the current one any more.
    #[error("the secret was sealed with a key that is being replaced")]
    FormerKey,
    /// Others kept writing the same rows.
    #[error("the same rows were written by others {0} times in a row")]
    Contended(u32),
}

impl Store {
    /// Opens `sqlite:<path>` or `postgres://…` and brings the schema up to date.
    pub async fn open(url: &str, clock: Clock) -> Result<Self, StoreError> {
        let db = Db::open(url).await.map_err(|source| StoreError::Open { url: without_password(url), source })?;
        let store = Self { db, ids: Arc::new(Ids::new(clock.clone())), clock, taken: Arc::default(), refused: Arc::default() };
        // A clock that was put back while no hub ran must not make ids that sort before those that are there.
        if let Some(newest) = store.newest_id().await? {
            store.ids.rise_above(newest);
        }
        Ok(store)
    }

    /// The database's kind, for people and figures.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.db {
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres { .. } => "postgres",
        }
    }

    /// True where other hubs may write into the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.db, Db::Postgres { .. })
    }

    /// How many deliveries this process took in so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// True when the database answers.
    pub async fn ping(&self) -> bool {
        self.db.fetch("select 1", Vec::new()).await.is_ok()
    }

    /// Notes that deliveries were written.
    pub fn note_written(&self) {
        self.refused.store(0, Ordering::Relaxed);
    }

    /// Notes that deliveries of so many bytes could not be written.
    pub fn note_refused(&self, bytes: usize) {
        self.refused.store(bytes.max(1), Ordering::Relaxed);
    }

    /// True when the database takes deliveries, as far as is known; where the last ones could not be written, as much is written to find out.
    pub async fn takes_writes(&self) -> bool {
        let bytes = self.refused.load(Ordering::Relaxed);
        let takes = bytes == 0 || self.write_and_empty(bytes).await.is_ok();
        if takes {
            self.note_written();
        }
        takes
    }

    /// What the database needs now and then while it is written to.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        Ok(self.db.tidy().await?)
    }

    /// Closes every connection; what was begun is finished first.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}
