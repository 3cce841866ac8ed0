//! Old deliveries: packed soon, emptied after their time, in steps that hold no writer up. Old idempotency keys go away.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::ids;
use crate::store::StoreError;
use crate::store::retention::Step;

/// Bodies are packed when they are so old, milliseconds: whoever looks at what just came in looks at it as it came.
const PACKED_AFTER_MS: i64 = 60_000;
/// Rows in one step: some milliseconds of the writer.
const STEP: i64 = 200;
/// Pause between two steps while there is more to do; the writer has the rest.
const REST: Duration = Duration::from_millis(100);
/// Pause when there was nothing to do.
const IDLE: Duration = Duration::from_secs(15);
/// How long the turn lasts if nothing more is heard of who has it, milliseconds.
const LEASE_MS: i64 = 60_000;
/// How often who has it says that it lives.
const KEEP: Duration = Duration::from_secs(20);
const DAY_MS: i64 = 86_400_000;
/// How long an idempotency key stands for its request.
const KEYS_DAYS: u32 = 7;

/// Does what is to be done, in the hub whose turn it is, until `stop`.
pub async fn keep(hub: Hub, stop: CancellationToken) {
    let lease = format!("{}/{}", hub.config.name, hub.store.ids.next::<ids::Attempt>());
    let mut held: Option<Instant> = None;
    loop {
        if held.is_none_or(|it| it.elapsed() >= KEEP) {
            // A database that does not answer gives nobody the turn.
            held = hub.store.hold_upkeep(&lease, LEASE_MS).await.unwrap_or(false).then(Instant::now);
        }
        let worked = if held.is_some() { round(&hub).await } else { Ok(false) };
        let pause = match worked {
            Ok(true) => REST,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(error = %error, "old deliveries wait to be packed or emptied");
                IDLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One step of each kind. True: there is more to do.
async fn round(hub: &Hub) -> Result<bool, StoreError> {
    let (store, config) = (&hub.store, &hub.config.retention);
    let now = store.clock.now_ms();
    let days = |days: u32| now - i64::from(days) * DAY_MS;
    let Step { looked, changed, before, after } = store.pack_deliveries(now - PACKED_AFTER_MS, STEP).await?;
    metrics::counter!("patchbay_deliveries_packed_total").increment(changed);
    metrics::counter!("patchbay_delivery_bytes_total", "form" => "raw").increment(before);
    metrics::counter!("patchbay_delivery_bytes_total", "form" => "packed").increment(after);
    let mut more = is_full(looked);
    if config.deliveries_days > 0 {
        let step = store.empty_deliveries(days(config.deliveries_days), STEP).await?;
        metrics::counter!("patchbay_deliveries_emptied_total").increment(step.changed);
        more |= is_full(step.looked);
    }
    store.forget_idempotency_keys(days(KEYS_DAYS)).await?;
    if config.audit_days > 0 {
        store.forget_audit(days(config.audit_days), STEP).await?;
    }
    Ok(more)
}

fn is_full(looked: usize) -> bool {
    i64::try_from(looked).is_ok_and(|it| it >= STEP)
}
