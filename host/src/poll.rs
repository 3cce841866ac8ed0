//! Asks vendors what is new. The cursor is stored in the transaction of the events that it brought.
//!
//! Each connection is asked by one hub at a time: by the one that holds its lease. Another one takes over when it ends or dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::plugin::{CallError, Page, Retry};
use crate::reading;
use crate::registry::Running;
use crate::rules::breaker::{Hold, LONGEST_HOLD_MS, Why};
use crate::rules::ingest::{Cursor, Intake, Reading, Way};
use crate::rules::retry::Backoff;
use crate::store::StoreError;
use crate::store::connections::ConnectionState;

/// How failed questions are repeated: soon, and for ever.
const BACKOFF: Backoff = Backoff { first_ms: 1_000, longest_ms: 300_000, tries: i64::MAX };
/// How long a poller that died keeps its turn.
const LEASE_MS: i64 = 15_000;
/// How often a poller says that it lives.
const KEEP: Duration = Duration::from_secs(5);
/// How often the others look whether it is their turn.
const WAIT: Duration = Duration::from_millis(500);
/// How often somebody looks whether every poller is there.
const SUPERVISE: Duration = Duration::from_secs(5);

/// Keeps one poller for each connection that polls.
pub async fn supervise(hub: Hub, committer: Committer, changed: Arc<Notify>, workers: TaskTracker, stop: CancellationToken) {
    let mut pollers: HashMap<ConnectionId, (Arc<Running>, CancellationToken)> = HashMap::new();
    loop {
        let current = hub.registry.current();
        pollers.retain(|id, (running, token)| {
            let same = current.running.get(id).is_some_and(|it| Arc::ptr_eq(it, running));
            if !same {
                token.cancel();
            }
            same && !token.is_cancelled()
        });
        for (id, running) in &current.running {
            let polls = running.instances.surroundings().manifest.polls(&running.connection.config);
            if polls && running.is_active() && !pollers.contains_key(id) {
                let token = stop.child_token();
                let lease = format!("{}/{}", hub.config.name, hub.store.ids.next::<crate::ids::Attempt>());
                let poller =
                    Poller { hub: hub.clone(), committer: committer.clone(), running: Arc::clone(running), lease, stop: token.clone() };
                pollers.insert(*id, (Arc::clone(running), token));
                workers.spawn(poller.run());
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(SUPERVISE) => {}
        }
    }
}

struct Poller {
    hub: Hub,
    committer: Committer,
    running: Arc<Running>,
    /// Proves that it is this poller's turn.
    lease: String,
    stop: CancellationToken,
}

/// Why a page was not taken.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the page was not committed")]
    Uncommitted,
}

impl Poller {
    async fn run(self) {
        let token = self.stop.clone();
        // A question that waits for an answer is given up: nothing of it is lost, since the cursor stays where it is.
        tokio::select! {
            () = token.cancelled() => {}
            () = self.take_turns() => {}
        }
        let id = self.running.connection.id;
        if let Err(error) = self.hub.store.release_poll(id, &self.lease).await {
            tracing::warn!(connection.id = %id, error = %error, "the turn to poll could not be given back: it ends by itself");
        }
        // Also set when the poller gave up, so that the supervisor starts another one.
        token.cancel();
    }

    /// Asks whenever it is this poller's turn, until it gives up.
    async fn take_turns(&self) {
        let id = self.running.connection.id;
        loop {
            match self.hub.store.hold_poll(id, &self.lease, LEASE_MS).await {
                Ok(true) => tokio::select! {
                    () = self.ask_for_ever() => return,
                    () = self.keep_turn() => tracing::info!(connection.id = %id, "another hub polls this connection now"),
                },
                Ok(false) => {}
                Err(error) => tracing::warn!(connection.id = %id, error = %error, "the database does not say whose turn it is to poll"),
            }
            tokio::time::sleep(WAIT).await;
        }
    }

    /// Returns when the turn is lost.
    async fn keep_turn(&self) {
        loop {
            tokio::time::sleep(KEEP).await;
            // A database that does not answer takes nobody's turn; whoever took it meanwhile is noticed with the next answer.
            if let Ok(false) = self.hub.store.hold_poll(self.running.connection.id, &self.lease, LEASE_MS).await {
                return;
            }
        }
    }

    async fn ask_for_ever(&self) {
        let id = self.running.connection.id;
        let interval = self
            .running
            .instances
            .surroundings()
            .manifest
            .polling
            .as_ref()
            .map_or(BACKOFF.longest_ms, |it| i64::try_from(it.interval_ms).unwrap_or(BACKOFF.longest_ms));
        let mut failures = 0;
        loop {
            self.wait_for_vendor().await;
            let wait = match self.ask().await {
                Ok(more) => {
                    failures = 0;
                    if more { 0 } else { interval }
                }
                Err(error) => {
                    failures += 1;
                    metrics::counter!("patchbay_poll_failures_total", "connection" => id.to_string()).increment(1);
                    let reason = self.running.instances.surroundings().redact(&error.to_string());
                    tracing::warn!(connection.id = %id, failures, error = %reason, "a vendor could not be asked");
                    match verdict(&error) {
                        Some(Retry::Reauthorise) => return self.give_up(reason).await,
                        Some(Retry::AfterMs(ms)) => {
                            let wait = i64::try_from(ms).unwrap_or(LONGEST_HOLD_MS).min(LONGEST_HOLD_MS);
                            self.hold(wait, reason).await;
                            wait.min(BACKOFF.first_ms)
                        }
                        _ => BACKOFF.full_ms(failures),
                    }
                }
            };
            tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        }
    }

    /// The vendor named a time, to us or to the senders: it is left alone until then by both.
    async fn wait_for_vendor(&self) {
        let id = self.running.connection.id;
        while let Ok(Some(Hold { why: Why::After, until, .. })) = self.hub.store.hold(id).await {
            let left = (until - self.hub.store.clock.now_ms()).max(1);
            // Somebody may end the hold before its time.
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs()).min(KEEP)).await;
        }
    }

    async fn hold(&self, wait: i64, reason: String) {
        let now = self.hub.store.clock.now_ms();
        let hold = Hold { why: Why::After, since: now, until: now + wait, reason };
        if let Err(error) = self.hub.store.put_hold(self.running.connection.id, hold).await {
            tracing::warn!(connection.id = %self.running.connection.id, error = %error, "that the vendor wants to be left alone could not be noted");
        }
    }

    /// Takes one page. True: there is more.
    async fn ask(&self) -> Result<bool, PollError> {
        let (workspace, id) = (self.running.connection.workspace, self.running.connection.id);
        let cursor = self.hub.store.connection(workspace, id).await?.and_then(|it| it.cursor);
        let limit = self.running.instances.surroundings().manifest.polling.as_ref().map_or(100, |it| it.limit);
        let (Page { events, next_cursor, more }, body) = self.running.instances.poll(cursor.as_deref(), limit).await?;
        if events.is_empty() {
            if let Some(next) = next_cursor.filter(|it| Some(it) != cursor.as_ref()) {
                self.hub.store.set_cursor(id, &Cursor { next, lease: self.lease.clone() }).await?;
            }
            return Ok(more);
        }
        let intake = Intake {
            id: self.hub.store.ids.next(),
            origin: self.running.origin.clone(),
            way: Way::Poll,
            request: None,
            body,
            fingerprint: None,
            received_at: self.hub.store.clock.now(),
            reading: Reading::Events(events.into_iter().map(reading::check).collect()),
            cursor: next_cursor.map(|next| Cursor { next, lease: self.lease.clone() }),
        };
        self.committer.commit(intake).await.map_err(|_| PollError::Uncommitted)?;
        Ok(more)
    }

    async fn give_up(&self, reason: String) {
        let (workspace, id) = (self.running.connection.workspace, self.running.connection.id);
        tracing::error!(connection.id = %id, "the vendor refused the credential: the connection waits for a new one");
        if let Err(error) = self.hub.store.set_connection_state(workspace, id, &ConnectionState::Broken { reason }).await {
            tracing::error!(connection.id = %id, error = %error, "a broken connection could not be marked");
        }
    }
}

fn verdict(error: &PollError) -> Option<Retry> {
    match error {
        PollError::Call(CallError::Failed(failure)) => Some(failure.retry),
        _ => None,
    }
}
