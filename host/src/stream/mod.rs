//! Connections to vendors that stay open: one hub holds the stream of a connection, connects it anew when it breaks, and hands what comes in
//! to the connector.
//!
//! ```text
//! choose ─ Line (dial, handshake, frames) ─ opened ─┬─ frames wait ─ received ─ schemas ─ commit ─ replies are sent
//!                                                   └─ heartbeat; silence, a frame too long, a broken line: connect anew
//! ```

pub mod framing;
pub mod line;
mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::registry::Running;
use crate::rules::breaker::LONGEST_HOLD_MS;
use crate::rules::retry::Backoff;
use crate::store::connections::Asking;

/// How attempts to connect are repeated: soon, and for ever.
const BACKOFF: Backoff = Backoff { first_ms: 1_000, longest_ms: 60_000, tries: i64::MAX };
/// A stream that stood so long was sound: the next attempt to connect comes soon again.
const STEADY: Duration = Duration::from_secs(30);
/// How long a hub that died keeps its turn.
const LEASE_MS: i64 = 15_000;
/// How often it says that it lives, and when it last heard something.
const KEEP: Duration = Duration::from_secs(5);
/// How often the others look whether it is their turn.
const WAIT: Duration = Duration::from_millis(500);
/// How often somebody looks whether every stream is held.
const SUPERVISE: Duration = Duration::from_secs(5);

/// Keeps one streamer for each connection that has a stream.
pub async fn supervise(hub: Hub, committer: Committer, changed: Arc<Notify>, workers: TaskTracker, stop: CancellationToken) {
    let mut streamers: HashMap<ConnectionId, (Arc<Running>, CancellationToken)> = HashMap::new();
    loop {
        let current = hub.registry.current();
        streamers.retain(|id, (running, token)| {
            let same = current.running.get(id).is_some_and(|it| Arc::ptr_eq(it, running));
            if !same {
                token.cancel();
            }
            same && !token.is_cancelled()
        });
        for (id, running) in &current.running {
            let streams = running.instances.surroundings().manifest.streams(&running.connection.config);
            if streams && running.is_active() && !streamers.contains_key(id) {
                let token = stop.child_token();
                let lease = format!("{}/{}", hub.config.name, hub.store.ids.next::<crate::ids::Attempt>());
                let streamer = Streamer {
                    hub: hub.clone(),
                    committer: committer.clone(),
                    running: Arc::clone(running),
                    lease,
                    heard_at: AtomicI64::new(0),
                    stop: token.clone(),
                };
                streamers.insert(*id, (Arc::clone(running), token));
                workers.spawn(streamer.run());
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(SUPERVISE) => {}
        }
    }
}

struct Streamer {
    hub: Hub,
    committer: Committer,
    running: Arc<Running>,
    /// Proves that it is this streamer's turn.
    lease: String,
    /// When a frame came in last, milliseconds; 0: none yet.
    heard_at: AtomicI64,
    stop: CancellationToken,
}

/// How a stream ended.
enum Ended {
    /// The hub ends, or the connection changed.
    Stopped,
    /// It broke, or could not be made: `code: message`.
    Lost {
        reason: String,
        /// How long the connector wants to wait, milliseconds.
        wait_ms: Option<u64>,
    },
    /// Only another credential can help: `code: message`.
    Unauthorised(String),
}

impl Streamer {
    async fn run(self) {
        self.take_turns().await;
        let id = self.running.connection.id;
        if let Err(error) = self.hub.store.release_stream(id, &self.lease).await {
            tracing::warn!(connection.id = %id, error = %error, "the turn to hold a stream could not be given back: it ends by itself");
        }
        // Also set when the streamer gave up, so that the supervisor starts another one.
        self.stop.cancel();
    }

    /// Holds the stream whenever it is this streamer's turn, until it is stopped or gives up.
    async fn take_turns(&self) {
        let id = self.running.connection.id;
        while !self.stop.is_cancelled() {
            match self.hub.store.hold_stream(id, &self.lease, LEASE_MS).await {
                Ok(true) => tokio::select! {
                    // It looks at `stop` itself: what came in by then is committed first.
                    () = self.stream_for_ever() => return,
                    () = self.keep_turn() => tracing::info!(connection.id = %id, "another hub holds the stream of this connection now"),
                },
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(connection.id = %id, error = %error, "the database does not say whose turn it is to hold a stream");
                }
            }
            self.pause(WAIT).await;
        }
    }

    /// Returns when the turn is lost.
    async fn keep_turn(&self) {
        let (id, mut noted) = (self.running.connection.id, 0);
        loop {
            tokio::time::sleep(KEEP).await;
            let heard = self.heard_at.load(Ordering::Relaxed);
            if heard != noted {
                noted = heard;
                self.note(self.hub.store.stream_heard(id, &self.lease, heard).await);
            }
            // A database that does not answer takes nobody's turn; whoever took it meanwhile is noticed with the next answer.
            if let Ok(false) = self.hub.store.hold_stream(id, &self.lease, LEASE_MS).await {
                return;
            }
        }
    }

    async fn stream_for_ever(&self) {
        let id = self.running.connection.id;
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let (begun, asked) = (Instant::now(), self.running.asking(self.hub.store.clock.now()));
            let (reason, wait_ms) = match session::run(self).await {
                Ended::Stopped => return,
                Ended::Unauthorised(reason) => return self.give_up(asked, reason).await,
                Ended::Lost { reason, wait_ms } => (reason, wait_ms),
            };
            failures = if begun.elapsed() < STEADY { failures + 1 } else { 1 };
            metrics::counter!("patchbay_stream_failures_total", "connection" => id.to_string()).increment(1);
            let reason = self.running.instances.surroundings().redact(&reason);
            tracing::warn!(connection.id = %id, failures, error = %reason, "a stream is lost");
            self.note(self.hub.store.stream_lost(id, &self.lease, &reason).await);
            let wait = match wait_ms {
                Some(ms) => i64::try_from(ms).unwrap_or(LONGEST_HOLD_MS).min(LONGEST_HOLD_MS),
                None => BACKOFF.wait_ms(failures, self.random()),
            };
            self.pause(Duration::from_millis(wait.unsigned_abs())).await;
        }
    }

    /// Waits, but not for longer than the hub lives.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    fn random(&self) -> u32 {
        let mut bytes = [0; 4];
        self.running.instances.surroundings().random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// How a stream stands is for people: what cannot be written down stops nothing.
    fn note(&self, written: Result<(), crate::store::StoreError>) {
        if let Err(error) = written {
            tracing::warn!(connection.id = %self.running.connection.id, error = %error, "how a stream stands could not be noted");
        }
    }

    async fn give_up(&self, asked: Asking, reason: String) {
        let id = self.running.connection.id;
        let reason = self.running.instances.surroundings().redact(&reason);
        self.note(self.hub.store.stream_lost(id, &self.lease, &reason).await);
        if let Err(error) = self.hub.credential_refused(&self.running.connection, asked, &reason).await {
            tracing::error!(connection.id = %id, error = %error, "a broken connection could not be marked");
        }
    }
}
