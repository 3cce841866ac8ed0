//! One try of one row, and what follows from how it ended.

use std::time::Instant;

use super::command::command;
use super::random;
use crate::hub::Hub;
use crate::plugin::{CallError, Command, Limit, Retry};
use crate::registry::Running;
use crate::rules::breaker::Health;
use crate::store::StoreError;
use crate::store::connections::ConnectionState;
use crate::store::outbox::{End, Lane, Reference, Release, Tried, Waiting};

/// The code by which a connector says that the record which it was given is not there any more.
const RECORD_MISSING: &str = "sink.record_missing";

/// A try that is over.
pub(super) struct Done {
    /// How it ended.
    pub tried: Tried,
    /// Set where the lane cannot go on.
    pub release: Option<Release>,
    /// What it told of the vendor.
    pub health: Health,
    /// `code: message` of a failure.
    pub reason: String,
}

/// What the connector said, or what became of it.
struct Said {
    retry: Retry,
    health: Health,
    reason: String,
}

/// Tries one row.
pub(super) async fn attempt(hub: &Hub, running: &Running, lane: &Lane, row: &Waiting) -> Result<Done, StoreError> {
    let (at, started) = (hub.store.clock.now_ms(), Instant::now());
    let done = |end: End, release, health, reason| {
        let took_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Done { tried: Tried { id: row.id, at, took_ms, end }, release, health, reason }
    };
    let retried = lane.abandoned || row.attempts > 0;
    let (payload, local) = match command(hub, lane.connection, &lane.lane, row, retried).await? {
        Ok(made) => made,
        Err(reason) => return Ok(done(End::Dead { reason }, None, Health::Unknown, String::new())),
    };
    let command = Command { idempotency_key: row.id.to_string(), kind: payload.0.to_owned(), payload: payload.1 };
    let (called, seen) = running.instances.execute(std::slice::from_ref(&command)).await;
    let redact = |text: &str| running.instances.surroundings().redact(text);
    let connection = lane.connection.to_string();
    let said = match called {
        Ok(mut results) => match results.pop() {
            Some(Ok(receipt)) => {
                let (kind, local) = local;
                let reference = receipt.remote_id.map(|remote| Reference { kind, local, remote, details: receipt.details });
                metrics::counter!("patchbay_commands_total", "connection" => connection, "result" => "delivered").increment(1);
                return Ok(done(End::Delivered { reference }, None, Health::Up, String::new()));
            }
            Some(Err(failure)) => {
                let reason = redact(&format!("{}: {}", failure.code, failure.message));
                verdict(failure.retry, seen, reason)
            }
            None => {
                Said { retry: Retry::Later, health: Health::Unknown, reason: "connector.results: no result for the command".to_owned() }
            }
        },
        Err(error) => {
            // Only a call that was cut off while it waited for the vendor speaks of the vendor.
            let health = if matches!(error, CallError::Limit(Limit::Wall(_))) { seen } else { Health::Unknown };
            Said { retry: Retry::Later, health, reason: redact(&format!("{}: {error}", call_code(&error))) }
        }
    };
    metrics::counter!("patchbay_commands_total", "connection" => connection, "result" => "failed").increment(1);
    let (end, release) = judge(hub, running, lane, row, &said).await?;
    Ok(done(end, release, said.health, said.reason))
}

/// The connector's verdict together with what the hub itself saw of the vendor.
fn verdict(retry: Retry, seen: Health, reason: String) -> Said {
    let (retry, health) = match (retry, seen) {
        (Retry::AfterMs(ms), _) => (retry, Health::Busy(Some(i64::try_from(ms).unwrap_or(i64::MAX)))),
        // A 429 that the connector makes a plain `later` of.
        (Retry::Later, Health::Busy(said)) => (Retry::AfterMs(0), Health::Busy(said)),
        (Retry::Later, seen) => (retry, seen),
        (Retry::Never | Retry::Reauthorise, Health::Unknown) => (retry, Health::Unknown),
        (Retry::Never | Retry::Reauthorise, _) => (retry, Health::Up),
    };
    Said { retry, health, reason }
}

async fn judge(hub: &Hub, running: &Running, lane: &Lane, row: &Waiting, said: &Said) -> Result<(End, Option<Release>), StoreError> {
    let backoff = running.delivery(hub).backoff;
    let reason = said.reason.clone();
    let waits = |verdict| (End::Failed { verdict, failures: row.failures, reason: reason.clone() }, Some(Release::More));
    let failures = row.failures + 1;
    let missing = matches!(said.retry, Retry::Never) && reason.starts_with(RECORD_MISSING);
    Ok(match said.retry {
        Retry::Never if !missing => (End::Dead { reason }, None),
        // What keeps the whole connection waiting is not the row's fault, however long it lasts.
        Retry::AfterMs(_) => waits("after"),
        Retry::Later if lane.probe.is_some() && said.health == Health::Down => waits("later"),
        Retry::Reauthorise => {
            let state = ConnectionState::Broken { reason: reason.clone() };
            hub.store.set_connection_state(running.connection.workspace, running.connection.id, &state).await?;
            // At once, or the vendor would be asked with it again and again until somebody looks.
            hub.registry.refresh().await?;
            tracing::error!(connection.id = %running.connection.id, "the vendor refused the credential: the connection waits for a new one");
            waits("reauthorise")
        }
        Retry::Later | Retry::Never if failures >= backoff.tries => {
            (End::Dead { reason: format!("{reason} (given up after {failures} tries)") }, None)
        }
        Retry::Never => {
            // Somebody removed the record: the lead is written anew, and then this.
            hub.store.forget_record(lane, row.workspace).await?;
            (End::Failed { verdict: "later", failures, reason }, Some(Release::More))
        }
        Retry::Later => {
            let due_at = hub.store.clock.now_ms().saturating_add(backoff.wait_ms(failures, random()));
            (End::Failed { verdict: "later", failures, reason }, Some(Release::Later { due_at }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_is_judged_by_what_the_connector_says_and_what_the_hub_saw() {
        let health = |retry, seen| {
            let said = verdict(retry, seen, String::new());
            (matches!(said.retry, Retry::AfterMs(_)), said.health)
        };
        assert_eq!(health(Retry::AfterMs(7), Health::Down), (true, Health::Busy(Some(7))));
        assert_eq!(health(Retry::Later, Health::Busy(None)), (true, Health::Busy(None)), "a 429 that the connector did not notice");
        assert_eq!(health(Retry::Later, Health::Down), (false, Health::Down));
        assert_eq!(health(Retry::Later, Health::Up), (false, Health::Up));
        assert_eq!(health(Retry::Never, Health::Down), (false, Health::Up), "some vendors refuse with a 500");
        assert_eq!(health(Retry::Never, Health::Unknown), (false, Health::Unknown));
    }
}
