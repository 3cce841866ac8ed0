//! Commits what was read: whatever waits, up to a batch, is one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::ids::WorkspaceId;
use crate::registry::Registry;
use crate::rules::ingest::{Committed, Context, Intake};
use crate::store::Store;

/// Most deliveries in one transaction.
const BATCH: usize = 256;
/// Writers on PostgreSQL; SQLite has one.
const POSTGRES_WRITERS: i64 = 2;
/// The row in the sums for what is redriven.
pub const REDRIVE_SHARD: i64 = 100;
/// The row in the sums for what is sent.
pub const DELIVERY_SHARD: i64 = 101;
/// The row in the sums for what follows from merges.
pub const PEOPLE_SHARD: i64 = 102;

/// The way to the writers. Dropping every clone ends them, after what waits is committed.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Job>,
}

struct Job {
    intake: Intake,
    done: oneshot::Sender<Option<Committed>>,
}

/// Why a delivery was not committed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitError {
    /// Too many wait already.
    #[error("too many deliveries wait to be committed")]
    Full,
    /// The database did not take it.
    #[error("the database did not take it")]
    Failed,
}

impl Committer {
    /// Starts the writers.
    #[must_use]
    pub fn start(store: &Store, registry: &Arc<Registry>, waiting: usize, wake: &Arc<tokio::sync::Notify>, tracker: &TaskTracker) -> Self {
        let (queue, jobs) = mpsc::channel(waiting);
        let jobs = Arc::new(tokio::sync::Mutex::new(jobs));
        let writers = if store.kind() == "sqlite" { 1 } else { POSTGRES_WRITERS };
        for shard in 0..writers {
            let writer =
                Writer { store: store.clone(), registry: Arc::clone(registry), jobs: Arc::clone(&jobs), wake: Arc::clone(wake), shard };
            tracker.spawn(writer.run());
        }
        Self { queue }
    }

    /// Commits a delivery with whatever else waits; returns when it lasts.
    pub async fn commit(&self, intake: Intake) -> Result<Committed, CommitError> {
        let (done, outcome) = oneshot::channel();
        self.queue.try_send(Job { intake, done }).map_err(|_| CommitError::Full)?;
        outcome.await.ok().flatten().ok_or(CommitError::Failed)
    }

    /// Deliveries that wait, for the metrics.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

struct Writer {
    store: Store,
    registry: Arc<Registry>,
    jobs: Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>,
    wake: Arc<tokio::sync::Notify>,
    shard: i64,
}

impl Writer {
    async fn run(self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            {
                // One writer at a time waits for more; the others commit what they took.
                let mut jobs = self.jobs.lock().await;
                if jobs.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            }
            metrics::histogram!("patchbay_commit_batch").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            let (intakes, waiters): (Vec<_>, Vec<_>) = batch.drain(..).map(|it| (it.intake, it.done)).unzip();
            let current = self.registry.current();
            let contexts = &current.contexts;
            let outcomes = match self.store.ingest(&intakes, contexts, self.shard).await {
                Ok(committed) => committed.into_iter().map(Some).collect(),
                Err(error) => {
                    tracing::error!(error = %error, deliveries = intakes.len(), "a batch could not be committed; its deliveries are tried one by one");
                    self.one_by_one(&intakes, contexts).await
                }
            };
            self.wake.notify_waiters();
            for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                // Whoever does not wait any more finds the delivery there when it is sent again.
                let _ = waiter.send(outcome);
            }
        }
    }

    /// One delivery that the database will not take must not stop the others.
    async fn one_by_one(&self, intakes: &[Intake], contexts: &HashMap<WorkspaceId, Context>) -> Vec<Option<Committed>> {
        let mut outcomes = Vec::with_capacity(intakes.len());
        for intake in intakes {
            let committed = self.store.ingest(std::slice::from_ref(intake), contexts, self.shard).await;
            if let Err(error) = &committed {
                tracing::error!(delivery.id = %intake.id, error = %error, "a delivery could not be committed");
            }
            outcomes.push(committed.ok().and_then(|it| it.first().copied()));
        }
        outcomes
    }
}
