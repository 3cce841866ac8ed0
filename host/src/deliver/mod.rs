//! Sends what waits in the outbox: lane by lane, so that order holds within a lead and nobody waits for another one's trouble.
//!
//! `lane` serves one lane, `attempt` tries one row of it, `command` and `note` make what is sent, `carry` hands it to the connector, `before` hears
//! what it was written over, `brake` leaves a vendor alone. `simulation` plays days of it in milliseconds.

mod attempt;
mod before;
mod brake;
mod carry;
mod command;
mod lane;
mod note;
#[cfg(test)]
pub(crate) mod simulation;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::brake::Brake;
use self::carry::{Carry, Connectors};
pub(crate) use self::command::upsert_of;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::plugin::Randomness;
use crate::registry::Running;
use crate::store::StoreError;
use crate::store::outbox::Lane;

/// How long a lane is ours at least, milliseconds. It is longer where a call may take longer.
const LEASE_MS: i64 = 120_000;
/// How often the outbox is looked at without being told: what another hub put in, what a clock made due.
const LOOK: Duration = Duration::from_millis(LOOK_MS.unsigned_abs());
/// The same in milliseconds.
const LOOK_MS: i64 = 1_000;

/// How long a lane that could not be served waits, milliseconds: what fails every time must not be tried all the time.
const ABANDONED_MS: i64 = 2_000;

/// Keeps one sender for each connection that carries out commands.
pub async fn supervise(hub: Hub, wake: Arc<Notify>, changed: Arc<Notify>, workers: TaskTracker, stop: CancellationToken) {
    let senders = Arc::new(Mutex::new(HashSet::new()));
    loop {
        for (id, running) in &hub.registry.current().running {
            let sends = running.instances.surroundings().manifest.commands.is_some();
            if sends && running.is_active() && lock(&senders).insert(*id) {
                let (wake, brake) = (Arc::clone(&wake), Brake::default());
                let sender = Arc::new(Sender {
                    hub: hub.clone(),
                    id: *id,
                    carrier: Connectors::default(),
                    random: Randomness::System,
                    wake,
                    brake,
                    workers: workers.clone(),
                    stop: stop.clone(),
                });
                let (senders, id) = (Arc::clone(&senders), *id);
                workers.spawn(async move {
                    sender.run().await;
                    lock(&senders).remove(&id);
                });
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn lock(senders: &Mutex<HashSet<ConnectionId>>) -> std::sync::MutexGuard<'_, HashSet<ConnectionId>> {
    senders.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the lanes of one connection.
struct Sender<C> {
    hub: Hub,
    id: ConnectionId,
    carrier: C,
    random: Randomness,
    wake: Arc<Notify>,
    brake: Brake,
    workers: TaskTracker,
    stop: CancellationToken,
}

impl<C: Carry> Sender<C> {
    async fn run(self: Arc<Self>) {
        let Some(first) = self.running() else { return };
        let manifest = &first.instances.surroundings().manifest;
        let (concurrency, batch) = manifest.commands.as_ref().map_or((1, 1), |it| (it.concurrency.max(1), it.batch.max(1)));
        // Where commands go together, one may wait for the calls of all that came before it.
        let calls = if batch > 1 { 2 + concurrency.div_ceil(batch) } else { 2 };
        let lease_ms = LEASE_MS.max(i64::from(calls) * i64::from(manifest.limits.work_ms));
        let places = Arc::new(Semaphore::new(concurrency.into()));
        let freed = Arc::new(Notify::new());
        while !self.stop.is_cancelled() {
            // Both are armed before the look, so that nothing that comes in between is missed.
            let (woken, free) = (self.wake.notified(), freed.notified());
            tokio::pin!(woken, free);
            woken.as_mut().enable();
            free.as_mut().enable();
            if self.running().is_none() {
                break;
            }
            let room = i64::try_from(places.available_permits()).unwrap_or(1);
            let lanes = if room == 0 || self.is_quarantined() {
                Ok(Vec::new())
            } else {
                self.hub.store.claim_lanes(self.id, &self.hub.config.name, room, lease_ms).await
            };
            match lanes {
                Ok(lanes) => {
                    if !lanes.is_empty() {
                        // The database says that the vendor may be asked, perhaps because somebody lifted what held it up.
                        self.brake.release();
                    }
                    for lane in lanes {
                        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                        let (sender, freed) = (Arc::clone(&self), Arc::clone(&freed));
                        self.workers.spawn(async move {
                            sender.serve_or_abandon(lane).await;
                            drop(place);
                            freed.notify_one();
                        });
                    }
                }
                Err(error) => {
                    tracing::error!(connection.id = %self.id, error = %error, "the outbox cannot be read");
                    // Where the answer to the commit was lost, they may be ours, and nobody would serve them.
                    if let StoreError::Claim { token, .. } = &error {
                        self.abandon(token, None).await;
                    }
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = woken => {}
                () = free => {}
                () = tokio::time::sleep(self.until_due().await) => {}
            }
        }
        // Calls that are under way end by themselves; the tracker waits for them.
        drop(places.acquire_many(concurrency.into()).await);
    }

    /// Serves a lane. Where the database fails meanwhile, it is given back as soon as there is one again, and nobody waits for the lease to end.
    async fn serve_or_abandon(&self, lane: Lane) {
        let (token, name) = (lane.token.clone(), lane.lane.clone());
        if let Err(error) = self.serve(lane).await {
            tracing::error!(connection.id = %self.id, lane = %name, error = %error, "a lane could not be served; it is given back");
            self.abandon(&token, Some(&name)).await;
        }
    }

    /// Gives back what is leased under a token, or one lane of it, as soon as the database takes it.
    async fn abandon(&self, token: &str, lane: Option<&str>) {
        while !self.stop.is_cancelled() && self.hub.store.abandon(self.id, token, lane, ABANDONED_MS).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The connection as it is now. None: it is paused, broken or gone.
    fn running(&self) -> Option<Arc<Running>> {
        self.hub.registry.running(self.id).filter(|it| it.is_active())
    }

    /// A number for jitter.
    fn random(&self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// True while the connector's version is not to be called: what waits goes on waiting, and none of it is to blame.
    fn is_quarantined(&self) -> bool {
        let quarantine = self.running().and_then(|it| it.instances.quarantine());
        quarantine.is_some_and(|it| it.until > self.hub.store.clock.now_ms())
    }

    async fn until_due(&self) -> Duration {
        if self.is_quarantined() {
            return LOOK;
        }
        let next = self.hub.store.next_due(self.id).await.ok().flatten();
        next.map_or(LOOK, |at| {
            Duration::from_millis(u64::try_from(at - self.hub.store.clock.now_ms()).unwrap_or(0)).clamp(Duration::from_millis(5), LOOK)
        })
    }
}
