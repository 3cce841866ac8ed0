//! Leaves a vendor alone that says so or seems to be down, and finds out when it is back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Sender;
use super::carry::Carry;
use crate::registry::Running;
use crate::rules::breaker::{self, Health, Run, Why};
use crate::store::StoreError;
use crate::store::outbox::Lane;

/// What this process knows of the vendor. That it is left alone stands in the database, for all hubs.
#[derive(Default)]
pub(super) struct Brake {
    run: Mutex<Run>,
    /// Set by this process, so that lanes that are under way stop too.
    until: AtomicI64,
}

impl Brake {
    /// True while the vendor is to be left alone.
    pub fn is_on(&self, now: i64) -> bool {
        self.until.load(Ordering::Relaxed) > now
    }

    /// The vendor may be asked again.
    pub fn release(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

impl<C: Carry> Sender<C> {
    /// Draws the conclusions from what a try told of the vendor.
    pub(super) async fn note(&self, running: &Running, lane: &Lane, health: &Health, reason: &str) -> Result<(), StoreError> {
        let rule = running.delivery(&self.hub).breaker;
        let (store, now) = (&self.hub.store, self.hub.store.clock.now_ms());
        if let Some(probes) = lane.probe {
            if let Some(until) = breaker::probed(&rule, probes, health, now, self.random()) {
                self.brake.until.store(until, Ordering::Relaxed);
                return store.probe_failed(self.id, &lane.token, until, reason).await;
            }
            self.brake.release();
            if store.lift_hold(self.id).await? {
                tracing::info!(connection.id = %self.id, "the vendor answers again");
                self.wake.notify_waiters();
            }
        }
        let hold = {
            let mut run = self.brake.run.lock().unwrap_or_else(PoisonError::into_inner);
            run.note(&rule, &lane.lane, health, reason, now, self.random())
        };
        if let Some(hold) = hold {
            let hold = store.put_hold(self.id, hold).await?;
            self.brake.until.store(hold.until, Ordering::Relaxed);
            let wait_s = (hold.until - now) / 1_000;
            match hold.why {
                Why::After => tracing::info!(connection.id = %self.id, wait_s, reason, "the vendor wants to be left alone"),
                Why::Breaker { .. } => tracing::warn!(connection.id = %self.id, wait_s, reason, "the vendor seems to be down"),
            }
        }
        Ok(())
    }
}
