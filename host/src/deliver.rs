//! Sends what waits in the outbox: lane by lane, so that order holds within a lead and nobody waits for another one's trouble.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use patchbay_schemas::command::{CommandBody, InteractionAdd, LeadUpsert};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::DELIVERY_SHARD;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::plugin::{CallError, Command, Retry};
use crate::registry::Running;
use crate::store::StoreError;
use crate::store::connections::ConnectionState;
use crate::store::outbox::{Asked, End, Lane, Reference, Release, Tried, Waiting};

/// How long a lane is ours. Longer than any call may take, so that nobody else serves it meanwhile.
const LEASE_MS: i64 = 120_000;
/// How often the outbox is looked at without being told: what another hub put in, what a clock made due.
const LOOK: Duration = Duration::from_secs(1);

/// The code by which a connector says that the record which it was given is not there any more.
const RECORD_MISSING: &str = "sink.record_missing";

/// Keeps one sender for each connection that carries out commands.
pub async fn supervise(hub: Hub, wake: Arc<Notify>, changed: Arc<Notify>, workers: TaskTracker, stop: CancellationToken) {
    let senders = Arc::new(Mutex::new(HashSet::new()));
    loop {
        for (id, running) in &hub.registry.current().running {
            let sends = running.instances.surroundings().manifest.commands.is_some();
            if sends && running.is_active() && lock(&senders).insert(*id) {
                let sender = Sender { hub: hub.clone(), id: *id, wake: Arc::clone(&wake), workers: workers.clone(), stop: stop.clone() };
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
    workers: TaskTracker,
    stop: CancellationToken,
}

impl Sender {
    async fn run(self) {
        let Some(first) = self.hub.registry.running(self.id) else { return };
        let concurrency = first.instances.surroundings().manifest.commands.as_ref().map_or(1, |it| it.concurrency.max(1));
        let places = Arc::new(Semaphore::new(concurrency.into()));
        let freed = Arc::new(Notify::new());
        while !self.stop.is_cancelled() {
            // A changed connection gets a new sender with the new configuration.
            let Some(running) = self.hub.registry.running(self.id).filter(|it| it.is_active()) else { break };
            // Both are armed before the look, so that nothing that comes in between is missed.
            let (woken, free) = (self.wake.notified(), freed.notified());
            tokio::pin!(woken, free);
            woken.as_mut().enable();
            free.as_mut().enable();
            let room = i64::try_from(places.available_permits()).unwrap_or(1);
            let lanes =
                if room == 0 { Ok(Vec::new()) } else { self.hub.store.claim_lanes(self.id, &self.hub.config.name, room, LEASE_MS).await };
            match lanes {
                Ok(lanes) => {
                    for lane in lanes {
                        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                        let (hub, running, freed) = (self.hub.clone(), Arc::clone(&running), Arc::clone(&freed));
                        self.workers.spawn(async move {
                            if let Err(error) = serve_lane(&hub, &running, &lane).await {
                                tracing::error!(connection.id = %lane.connection, lane = %lane.lane, error = %error, "a lane could not be served; its lease runs out");
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

    async fn until_due(&self) -> Duration {
        let next = self.hub.store.next_due(self.id).await.ok().flatten();
        next.map_or(LOOK, |at| {
            Duration::from_millis(u64::try_from(at - self.hub.store.clock.now_ms()).unwrap_or(0)).clamp(Duration::from_millis(5), LOOK)
        })
    }
}

/// Serves what waits in a lane, in order, until something fails or the lane is empty.
async fn serve_lane(hub: &Hub, running: &Running, lane: &Lane) -> Result<(), StoreError> {
    let rows = hub.store.waiting(lane).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|it| it >= crate::store::outbox::LANE_ROWS);
    let (superseded, due) = coalesce(rows);
    let at = hub.store.clock.now_ms();
    let superseded: Vec<Tried> = superseded.into_iter().map(|id| Tried { id, at, took_ms: 0, end: End::Superseded }).collect();
    if !superseded.is_empty() && !hub.store.finish(lane, &superseded, None, DELIVERY_SHARD).await? {
        return Ok(());
    }
    let last = due.len();
    for (position, row) in due.into_iter().enumerate() {
        let (tried, release) = attempt(hub, running, lane, &row).await?;
        let ended = matches!(tried.end, End::Delivered { .. } | End::Dead { .. });
        let release = release.or_else(|| (position + 1 == last).then_some(if full { Release::More } else { Release::Done }));
        if !hub.store.finish(lane, &[tried], release, DELIVERY_SHARD).await? || !ended {
            return Ok(());
        }
    }
    if last == 0 {
        hub.store.finish(lane, &[], Some(Release::Done), DELIVERY_SHARD).await?;
    }
    Ok(())
}

/// One write of the latest state stands for all that wait: it takes the first place, the others are superseded. An interaction that
/// waits is told as it is by then, so it need not be told twice.
fn coalesce(rows: Vec<Waiting>) -> (Vec<crate::ids::OutboxId>, Vec<Waiting>) {
    let (mut upserts, mut due): (Vec<Waiting>, Vec<Waiting>) = (Vec::new(), Vec::new());
    let (mut superseded, mut added) = (Vec::new(), HashSet::new());
    for row in rows {
        match row.ask {
            Asked::Upsert(_) => upserts.push(row),
            Asked::Add(interaction) if !added.insert(interaction) => superseded.push(row.id),
            Asked::Add(_) | Asked::Send(_) => due.push(row),
        }
    }
    let newest = upserts.pop();
    // What was tried before may have had an effect that the newest must know of.
    let tries = upserts.iter().map(|it| it.attempts).max().unwrap_or(0);
    if let Some(newest) = newest {
        due.insert(0, Waiting { attempts: newest.attempts.max(tries), ..newest });
    }
    superseded.extend(upserts.into_iter().map(|it| it.id));
    (superseded, due)
}

/// Tries one row. A release is given where the lane cannot go on.
async fn attempt(hub: &Hub, running: &Running, lane: &Lane, row: &Waiting) -> Result<(Tried, Option<Release>), StoreError> {
    let (at, started) = (hub.store.clock.now_ms(), Instant::now());
    let ended = |end: End| Tried { id: row.id, at, took_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX), end };
    let (payload, local) = match command(hub, lane, row).await? {
        Ok(made) => made,
        Err(reason) => return Ok((ended(End::Dead { reason }), None)),
    };
    let kind = payload.0;
    let command = Command { idempotency_key: row.id.to_string(), kind: kind.to_owned(), payload: payload.1 };
    let called = running.instances.execute(std::slice::from_ref(&command)).await;
    let redact = |text: &str| running.instances.surroundings().redact(text);
    let (retry, reason) = match called {
        Ok(mut results) => match results.pop() {
            Some(Ok(receipt)) => {
                let (kind, local) = local;
                let reference = receipt.remote_id.map(|remote| Reference { kind, local, remote, details: receipt.details });
                metrics::counter!("patchbay_commands_total", "connection" => lane.connection.to_string(), "result" => "delivered")
                    .increment(1);
                return Ok((ended(End::Delivered { reference }), None));
            }
            Some(Err(failure)) => (failure.retry, redact(&format!("{}: {}", failure.code, failure.message))),
            None => (Retry::Later, "connector.results: no result for the command".to_owned()),
        },
        Err(error) => (Retry::Later, redact(&format!("{}: {error}", call_code(&error)))),
    };
    metrics::counter!("patchbay_commands_total", "connection" => lane.connection.to_string(), "result" => "failed").increment(1);
    let (end, release) = judge(hub, running, lane, row, retry, reason).await?;
    Ok((ended(end), release))
}

async fn judge(
    hub: &Hub,
    running: &Running,
    lane: &Lane,
    row: &Waiting,
    retry: Retry,
    reason: String,
) -> Result<(End, Option<Release>), StoreError> {
    let backoff = hub.config.backoff();
    let failures = lane.failures + 1;
    let now = hub.store.clock.now_ms();
    let later = |wait: i64| Some(Release::Later { due_at: now.saturating_add(wait), failures });
    if row.attempts + 1 >= backoff.tries && !matches!(retry, Retry::Reauthorise) {
        return Ok((End::Dead { reason: format!("{reason} (given up after {} tries)", row.attempts + 1) }, None));
    }
    if matches!(retry, Retry::Never) && reason.starts_with(RECORD_MISSING) {
        // Somebody removed the record: the lead is written anew, and then this.
        hub.store.forget_record(lane, row.workspace).await?;
        return Ok((End::Failed { verdict: "later", reason }, Some(Release::More)));
    }
    Ok(match retry {
        Retry::Never => (End::Dead { reason }, None),
        Retry::AfterMs(ms) => (End::Failed { verdict: "after", reason }, later(i64::try_from(ms).unwrap_or(backoff.longest_ms))),
        Retry::Later => {
            let mut random = [0_u8];
            // Without randomness there is no jitter, which does no harm.
            let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random);
            (End::Failed { verdict: "later", reason }, later(backoff.wait_ms(failures, random[0])))
        }
        Retry::Reauthorise => {
            let state = ConnectionState::Broken { reason: reason.clone() };
            hub.store.set_connection_state(running.connection.workspace, running.connection.id, &state).await?;
            tracing::error!(connection.id = %running.connection.id, "the vendor refused the credential: the connection waits for a new one");
            (End::Failed { verdict: "reauthorise", reason }, later(0))
        }
    })
}

fn call_code(error: &CallError) -> &'static str {
    match error {
        CallError::Limit(_) => "connector.limit",
        CallError::Trap(_) => "connector.trap",
        CallError::Busy => "connector.busy",
        CallError::Failed(_) | CallError::NoAbility(_) => "connector.unsupported",
    }
}

/// Kind and JSON of a command; kind and id of what its receipt will point at.
type Made = ((&'static str, String), (&'static str, String));

/// Makes the command of a row from what the database says now. The inner error is why it can never be made.
async fn command(hub: &Hub, lane: &Lane, row: &Waiting) -> Result<Result<Made, String>, StoreError> {
    let retried = lane.abandoned || row.attempts > 0;
    let body = match &row.ask {
        Asked::Upsert(id) => {
            let Some(lead) = hub.store.lead(row.workspace, *id).await? else { return Ok(Err(format!("hub.gone: the lead {id} is gone"))) };
            let (remote_id, details) = hub.store.reference(lane.connection, "lead", &id.to_string()).await?.unzip();
            // A connector that says something else than an object is not remembered.
            let known = details.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default();
            (CommandBody::LeadUpsert(Box::new(LeadUpsert { lead, remote_id, known, retried })), ("lead", id.to_string()))
        }
        Asked::Add(id) => {
            let Some((lead_remote_id, _)) = hub.store.reference(lane.connection, "lead", &lane.lane).await? else {
                return Ok(Err(
                    "hub.no_record: the sink has no record of the lead, because creating it failed; redrive that first".to_owned()
                ));
            };
            let Some((channel, received_at, event)) = hub.store.interaction_event(row.workspace, *id).await? else {
                return Ok(Err(format!("hub.gone: the interaction {id} is gone")));
            };
            let add = InteractionAdd { lead_remote_id, interaction_id: id.to_string(), channel, received_at, event, retried };
            (CommandBody::InteractionAdd(Box::new(add)), ("interaction", id.to_string()))
        }
        Asked::Send(payload) => return Ok(Ok((("message.send", payload.clone()), ("message", row.id.to_string())))),
    };
    let payload = body.0.payload().map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
    Ok(Ok(((body.0.kind(), payload), body.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::ids::Ids;

    #[test]
    fn the_latest_write_takes_the_first_place_and_the_history_keeps_its_order() {
        let ids = Ids::new(Clock::System);
        let (lead, workspace) = (ids.next(), ids.next());
        let row = |ask| Waiting { id: ids.next(), workspace, ask, attempts: 0 };
        let rows = vec![
            Waiting { attempts: 2, ..row(Asked::Upsert(lead)) },
            row(Asked::Add(ids.next())),
            row(Asked::Upsert(lead)),
            row(Asked::Add(ids.next())),
        ];
        let order: Vec<_> = rows.iter().map(|it| it.id).collect();
        let (superseded, due) = coalesce(rows);
        assert_eq!(superseded, [order[0]]);
        assert_eq!(due.iter().map(|it| it.id).collect::<Vec<_>>(), [order[2], order[1], order[3]]);
        assert_eq!(due[0].attempts, 2, "an earlier try may have had an effect");
    }

    #[test]
    fn an_interaction_that_changed_while_it_waited_is_told_once() {
        let ids = Ids::new(Clock::System);
        let (call, workspace) = (ids.next(), ids.next());
        let row = |ask| Waiting { id: ids.next(), workspace, ask, attempts: 0 };
        let rows = vec![row(Asked::Add(call)), row(Asked::Add(ids.next())), row(Asked::Add(call))];
        let order: Vec<_> = rows.iter().map(|it| it.id).collect();
        let (superseded, due) = coalesce(rows);
        assert_eq!(superseded, [order[2]]);
        assert_eq!(due.iter().map(|it| it.id).collect::<Vec<_>>(), order[..2]);
    }
}
