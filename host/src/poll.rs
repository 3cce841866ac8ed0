//! Asks vendors what is new. The cursor is stored in the transaction of the events that it brought.
//!
//! Whoever has the turn also reads what the vendor knew before (`import`), where somebody asked for it.
//!
//! Each connection is asked by one hub at a time: by the one that holds its lease. Another one takes over when it ends or dies.

mod import;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::plugin::{CallError, Page, Retry};
use crate::reading;
use crate::registry::Running;
use crate::rules::breaker::{Health, Hold, LONGEST_HOLD_MS, Why};
use crate::rules::ingest::{Cursor, Feed, Intake, Reading, Way};
use crate::rules::retry::Backoff;
use crate::store::StoreError;
use crate::store::connections::Asking;

/// How failed questions are repeated: soon, and for ever.
const BACKOFF: Backoff = Backoff { first_ms: 1_000, longest_ms: 300_000, tries: i64::MAX };
/// A connector that wants to be asked again at once is asked again after so long, so that it is not asked in a circle.
const SOONEST_MS: i64 = 100;
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

/// When one of the questions is asked next.
struct Due {
    at: Instant,
    /// In a row.
    failures: i64,
}

impl Due {
    fn now() -> Self {
        Self { at: Instant::now(), failures: 0 }
    }
}

/// Why a page was not taken.
#[derive(Debug, thiserror::Error)]
enum PollError {
    /// Also what the hub saw of the vendor meanwhile.
    #[error("{0}")]
    Call(#[source] CallError, Health),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the page was not committed")]
    Uncommitted,
    #[error("hub.import_stuck: the connector says that there is more, and does not move its cursor")]
    Stuck,
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
        let manifest = &self.running.instances.surroundings().manifest;
        let polling = manifest.polling.as_ref();
        let interval = Duration::from_millis(polling.map_or(BACKOFF.longest_ms.unsigned_abs(), |it| it.interval_ms));
        let imports = polling.is_some_and(|it| it.import);
        let (mut news, mut import) = (Due::now(), Due::now());
        loop {
            self.wait_for_vendor().await;
            let now = Instant::now();
            if now >= news.at {
                let asked = self.running.asking(self.hub.store.clock.now());
                let wait = match self.ask().await {
                    Ok(more) => {
                        news.failures = 0;
                        if more { Duration::ZERO } else { interval }
                    }
                    // The version is to blame, not the vendor: it is asked again when the version may be tried.
                    Err(PollError::Call(CallError::Quarantined(it), _)) => {
                        millis((it.until - self.hub.store.clock.now_ms()).max(BACKOFF.first_ms))
                    }
                    Err(error) => {
                        news.failures += 1;
                        let id = self.running.connection.id;
                        metrics::counter!("patchbay_poll_failures_total", "connection" => id.to_string()).increment(1);
                        let reason = self.running.instances.surroundings().redact(&error.to_string());
                        tracing::warn!(connection.id = %id, failures = news.failures, error = %reason, "a vendor could not be asked");
                        if matches!(verdict(&error), Some(Retry::Reauthorise)) {
                            return self.give_up(asked, reason).await;
                        }
                        self.wait_after(&error, news.failures, &reason).await
                    }
                };
                news.at = Instant::now() + wait;
            } else if imports && news.failures == 0 && now >= import.at {
                // What is new was asked for before, so that no change falls between the two.
                self.import(&mut import).await;
            }
            let next = if imports && news.failures == 0 { news.at.min(import.at) } else { news.at };
            tokio::time::sleep_until(next).await;
        }
    }

    /// How long to wait after a failure. What the vendor says to whoever asks (429, `Retry-After`) holds up the commands too; a time that the
    /// connector names for another reason is this question's alone: a command that meets the same limit hears of it itself.
    async fn wait_after(&self, error: &PollError, failures: i64, reason: &str) -> Duration {
        let Some(Retry::AfterMs(ms)) = verdict(error) else { return millis(BACKOFF.full_ms(failures)) };
        let wait = i64::try_from(ms).unwrap_or(LONGEST_HOLD_MS).min(LONGEST_HOLD_MS);
        if let PollError::Call(_, Health::Busy(_)) = error {
            self.hold(wait, reason.to_owned()).await;
            return millis(wait.min(BACKOFF.first_ms));
        }
        millis(wait.max(SOONEST_MS))
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

    /// Asks for what is new. True: there is more.
    async fn ask(&self) -> Result<bool, PollError> {
        let (workspace, id) = (self.running.connection.workspace, self.running.connection.id);
        let cursor = self.hub.store.connection(workspace, id).await?.and_then(|it| it.cursor);
        self.page(Way::Poll, cursor.as_deref()).await
    }

    /// Takes one page, of what is new or of an import. True: there is more.
    async fn page(&self, way: Way, cursor: Option<&str>) -> Result<bool, PollError> {
        let limit = self.running.instances.surroundings().manifest.polling.as_ref().map_or(100, |it| it.limit);
        let (answered, seen) = self.running.instances.poll(cursor, limit).await;
        let (Page { events, next_cursor, more }, body) = answered.map_err(|error| PollError::Call(error, seen))?;
        let moved = next_cursor.as_deref().is_some_and(|it| Some(it) != cursor);
        let import = way == Way::Import;
        if import && more && !moved {
            return Err(PollError::Stuck);
        }
        let feed = if import { Feed::Import { last: !more } } else { Feed::News };
        // The end of an import is written down also where the cursor stays.
        let next = next_cursor.or_else(|| cursor.filter(|_| import).map(str::to_owned));
        let next = next.map(|next| Cursor { next, lease: self.lease.clone(), feed });
        if events.is_empty() {
            if let Some(next) = next.filter(|_| moved || import) {
                self.hub.store.set_cursor(self.running.connection.id, &next).await?;
            }
            return Ok(more);
        }
        let intake = Intake {
            id: self.hub.store.ids.next(),
            origin: self.running.origin.clone(),
            way,
            request: None,
            body,
            fingerprint: None,
            received_at: self.hub.store.clock.now(),
            reading: Reading::Events(events.into_iter().map(reading::check).collect()),
            cursor: next,
        };
        self.committer.commit(intake).await.map_err(|_| PollError::Uncommitted)?;
        Ok(more)
    }

    async fn give_up(&self, asked: Asking, reason: String) {
        let id = self.running.connection.id;
        if let Err(error) = self.hub.credential_refused(&self.running.connection, asked, &reason).await {
            tracing::error!(connection.id = %id, error = %error, "a broken connection could not be marked");
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn verdict(error: &PollError) -> Option<Retry> {
    match error {
        PollError::Call(CallError::Failed(failure), _) => Some(failure.retry),
        _ => None,
    }
}
