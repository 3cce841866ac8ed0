//! Commits what was read: whatever waits, up to a batch, is one transaction.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::ids::WorkspaceId;
use crate::registry::Registry;
use crate::rules::ingest::{Committed, Context, Intake, Reading};
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
    writers: Arc<[mpsc::UnboundedSender<Job>]>,
    room: Arc<Semaphore>,
    waiting: usize,
}

struct Job {
    intake: Intake,
    done: oneshot::Sender<Option<Committed>>,
    /// Its place among those that wait.
    _place: OwnedSemaphorePermit,
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
    /// Starts the writers; at most `waiting` deliveries wait for them.
    #[must_use]
    pub fn start(store: &Store, registry: &Arc<Registry>, waiting: usize, wake: &Arc<tokio::sync::Notify>, tracker: &TaskTracker) -> Self {
        let count = if store.is_shared() { POSTGRES_WRITERS } else { 1 };
        let writers = (0..count).map(|shard| {
            let (sender, jobs) = mpsc::unbounded_channel();
            let writer = Writer { store: store.clone(), registry: Arc::clone(registry), jobs, wake: Arc::clone(wake), shard };
            tracker.spawn(writer.run());
            sender
        });
        Self { writers: writers.collect(), room: Arc::new(Semaphore::new(waiting)), waiting }
    }

    /// Commits a delivery with whatever else waits; returns when it lasts.
    pub async fn commit(&self, intake: Intake) -> Result<Committed, CommitError> {
        let place = Arc::clone(&self.room).try_acquire_owned().map_err(|_| CommitError::Full)?;
        let (done, outcome) = oneshot::channel();
        let writer = &self.writers[writer_for(&intake, self.writers.len())];
        writer.send(Job { intake, done, _place: place }).map_err(|_| CommitError::Failed)?;
        outcome.await.ok().flatten().ok_or(CommitError::Failed)
    }

    /// Deliveries that wait, for the metrics.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting - self.room.available_permits()
    }
}

/// Which of so many writers takes a delivery: always the same one for a person, so that two writers seldom meet on the rows of one.
fn writer_for(intake: &Intake, writers: usize) -> usize {
    let Reading::Events(events) = &intake.reading else { return 0 };
    let Some(interaction) = events.first().and_then(|it| it.body.as_ref().ok()).and_then(|it| it.interaction()) else { return 0 };
    let identity = interaction.person.identities.first().map(|it| &it.value);
    let Some(person) = identity.or(interaction.conversation.as_ref().map(|it| &it.key)) else { return 0 };
    let mut hasher = DefaultHasher::new();
    person.hash(&mut hasher);
    usize::try_from(hasher.finish() % writers as u64).unwrap_or(0)
}

struct Writer {
    store: Store,
    registry: Arc<Registry>,
    jobs: mpsc::UnboundedReceiver<Job>,
    wake: Arc<tokio::sync::Notify>,
    shard: i64,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.jobs.recv_many(&mut batch, BATCH).await > 0 {
            metrics::histogram!("patchbay_commit_batch").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            let (intakes, waiters): (Vec<_>, Vec<_>) = batch.drain(..).map(|it| (it.intake, it.done)).unzip();
            let current = self.registry.current();
            let contexts = &current.contexts;
            let outcomes = match self.store.ingest(&intakes, contexts, self.shard).await {
                Ok(committed) => {
                    self.store.note_written();
                    committed.into_iter().map(Some).collect()
                }
                Err(error) => {
                    tracing::error!(error = %error, deliveries = intakes.len(), "a batch could not be committed; its deliveries are tried one by one");
                    let outcomes = self.one_by_one(&intakes, contexts).await;
                    // One poison among good ones says nothing of the database.
                    if outcomes.iter().all(Option::is_none) {
                        self.store.note_refused(intakes.iter().map(|it| it.body.len()).max().unwrap_or(0));
                    }
                    outcomes
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
