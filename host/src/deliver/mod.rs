//! Sends what waits in the outbox: lane by lane, so that order holds within a lead and nobody waits for another one's trouble.
//!
//! `lane` serves one lane, `attempt` tries one row of it, `command` makes what is sent, `brake` leaves a vendor alone.

mod attempt;
mod brake;
mod command;
mod lane;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::brake::Brake;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::registry::Running;

/// How long a lane is ours at least, milliseconds. It is longer where a call may take longer.
const LEASE_MS: i64 = 120_000;
/// How often the outbox is looked at without being told: what another hub put in, what a clock made due.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps one sender for each connection that carries out commands.
pub async fn supervise(hub: Hub, wake: Arc<Notify>, changed: Arc<Notify>, workers: TaskTracker, stop: CancellationToken) {
    let senders = Arc::new(Mutex::new(HashSet::new()));
    loop {
        for (id, running) in &hub.registry.current().running {
            let sends = running.instances.surroundings().manifest.commands.is_some();
            if sends && running.is_active() && lock(&senders).insert(*id) {
                let (wake, brake) = (Arc::clone(&wake), Brake::default());
                let sender = Arc::new(Sender { hub: hub.clone(), id: *id, wake, brake, workers: workers.clone(), stop: stop.clone() });
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
struct Sender {
    hub: Hub,
    id: ConnectionId,
    wake: Arc<Notify>,
    brake: Brake,
    workers: TaskTracker,
    stop: CancellationToken,
}

impl Sender {
    async fn run(self: Arc<Self>) {
        let Some(first) = self.running() else { return };
        let manifest = &first.instances.surroundings().manifest;
        let concurrency = manifest.commands.as_ref().map_or(1, |it| it.concurrency.max(1));
        let lease_ms = LEASE_MS.max(2 * i64::from(manifest.limits.work_ms));
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
            let lanes =
                if room == 0 { Ok(Vec::new()) } else { self.hub.store.claim_lanes(self.id, &self.hub.config.name, room, lease_ms).await };
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
                            let (connection, name) = (lane.connection, lane.lane.clone());
                            if let Err(error) = sender.serve(lane).await {
                                tracing::error!(connection.id = %connection, lane = %name, error = %error, "a lane could not be served; its lease runs out");
                            }
                            drop(place);
                            freed.notify_one();
                        });
                    }
                }
                Err(error) => tracing::error!(connection.id = %self.id, error = %error, "the outbox cannot be read"),
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

    /// The connection as it is now. None: it is paused, broken or gone.
    fn running(&self) -> Option<Arc<Running>> {
        self.hub.registry.running(self.id).filter(|it| it.is_active())
    }

    async fn until_due(&self) -> Duration {
        let next = self.hub.store.next_due(self.id).await.ok().flatten();
        next.map_or(LOOK, |at| {
            Duration::from_millis(u64::try_from(at - self.hub.store.clock.now_ms()).unwrap_or(0)).clamp(Duration::from_millis(5), LOOK)
        })
    }
}

/// A number for jitter. Without randomness there is the longest wait, which does no harm.
fn random() -> u32 {
    let mut bytes = [u8::MAX; 4];
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u32::from_le_bytes(bytes)
}
