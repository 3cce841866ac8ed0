//! One try of one row, and what follows from how it ended.

use std::time::Instant;

use super::Sender;
use super::before::{apart, moved, stood};
use super::carry::Carry;
use super::command::{Made, Unmade, command};
use super::note;
use crate::clock::timestamp;
use crate::plugin::{CallError, Command, Limit, Retry};
use crate::registry::Running;
use crate::rules::breaker::Health;
use crate::store::StoreError;
use crate::store::connections::Asking;
use crate::store::outbox::{Asked, End, Lane, Reference, Release, Tried, Waiting};

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
    /// The record that the connector was given and did not find.
    missing: Option<String>,
}

impl<C: Carry> Sender<C> {
    /// Tries one row.
    pub(super) async fn attempt(&self, running: &Running, lane: &Lane, row: &Waiting) -> Result<Done, StoreError> {
        let hub = &self.hub;
        let (at, started) = (hub.store.clock.now_ms(), Instant::now());
        let asking = running.asking(timestamp(at));
        let done = |end: End, release, health, reason| {
            let took_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            Done { tried: Tried { id: row.id, at, took_ms, end }, release, health, reason }
        };
        let retried = lane.abandoned || row.attempts > 0;
        let Made { payload, local, mut told } = match command(hub, lane.connection, &lane.lane, row, retried).await? {
            Ok(made) => made,
            Err(Unmade::Needless) => return Ok(done(End::Superseded, None, Health::Unknown, String::new())),
            Err(Unmade::Soon) => {
                let reason = "hub.no_record: the record that it points at is being written".to_owned();
                let end = End::Failed { verdict: "later", failures: row.failures, reason };
                let due_at = at.saturating_add(note::LOOK_AGAIN_MS);
                return Ok(done(end, Some(Release::Later { due_at }), Health::Unknown, String::new()));
            }
            Err(Unmade::Never(reason)) => return Ok(done(End::Dead { reason }, None, Health::Unknown, String::new())),
            // A sink that was added after the lead was opened: it gets the lead first, and then this.
            Err(Unmade::NoRecord) if hub.store.ask_for_record(lane, row.workspace).await? => {
                let reason = "hub.no_record: the sink does not know the lead yet; it is written first".to_owned();
                let end = End::Failed { verdict: "later", failures: row.failures, reason };
                return Ok(done(end, Some(Release::More), Health::Unknown, String::new()));
            }
            Err(Unmade::NoRecord) => {
                let reason = "hub.no_record: the sink has no record of the lead, because creating it failed; redrive that first".to_owned();
                return Ok(done(End::Dead { reason }, None, Health::Unknown, String::new()));
            }
        };
        let command = Command { idempotency_key: row.id.to_string(), kind: payload.0.to_owned(), payload: payload.1 };
        // What failed in company may have been somebody else's fault, or be the fault of others.
        let (called, seen) = self.carrier.carry(running, &command, retried).await;
        let redact = |text: &str| running.instances.surroundings().redact(text);
        let connection = lane.connection.to_string();
        let said = match called {
            Ok(mut results) => match results.pop() {
                Some(Ok(receipt)) => {
                    if let Asked::Note(told) = &row.ask
                        && let Some(merged) = note::merged(&command.payload, &receipt.details)
                    {
                        hub.store.records_merged(lane.connection, &merged.into, &merged.records).await?;
                        let context = hub.registry.current().contexts.get(&row.workspace).cloned().unwrap_or_default();
                        hub.store.part_merged_records(row.workspace, told.merge, &context).await?;
                    }
                    let (kind, local) = local;
                    let (mut details, before) = apart(receipt.details);
                    if let Some(told) = &mut told {
                        (details, told.moved) = moved(details, record_of(&command.payload).as_deref(), receipt.remote_id.as_deref());
                    }
                    if let (Some(before), Some(told), Some(remote)) = (before, &mut told, &receipt.remote_id) {
                        self.hear_before(running, row, told, remote, &before).await?;
                        told.writing.before = Some(stood(before, &hub.region_of(row.workspace)));
                    }
                    let reference = receipt.remote_id.map(|remote| Reference { kind, local, remote, details });
                    metrics::counter!("patchbay_commands_total", "connection" => connection, "result" => "delivered").increment(1);
                    return Ok(done(End::Delivered { reference, told: told.map(Box::new) }, None, Health::Up, String::new()));
                }
                Some(Err(failure)) => {
                    let reason = redact(&format!("{}: {}", failure.code, failure.message));
                    let missing = if failure.code == RECORD_MISSING { record_of(&command.payload) } else { None };
                    Said { missing, ..verdict(failure.retry, seen, reason) }
                }
                None => verdict(Retry::Later, Health::Unknown, "connector.results: no result for the command".to_owned()),
            },
            // Nothing was asked of the vendor, and the row is not to blame.
            Err(error @ CallError::Quarantined(_)) => {
                let due_at = at.saturating_add(super::LOOK_MS);
                let reason = format!("{}: {error}", error.code());
                let end = End::Failed { verdict: "after", failures: row.failures, reason: reason.clone() };
                return Ok(done(end, Some(Release::Later { due_at }), Health::Unknown, reason));
            }
            Err(error) => {
                // Only a call that was cut off while it waited for the vendor speaks of the vendor.
                let health = if matches!(error, CallError::Limit(Limit::Wall(_))) { seen } else { Health::Unknown };
                let reason = redact(&format!("{}: {error}", error.code()));
                Said { retry: Retry::Later, health, reason, missing: None }
            }
        };
        metrics::counter!("patchbay_commands_total", "connection" => connection, "result" => "failed").increment(1);
        let (end, release) = self.judge(running, lane, row, &said, asking).await?;
        Ok(done(end, release, said.health, said.reason))
    }

    async fn judge(
        &self,
        running: &Running,
        lane: &Lane,
        row: &Waiting,
        said: &Said,
        asking: Asking,
    ) -> Result<(End, Option<Release>), StoreError> {
        let hub = &self.hub;
        let backoff = running.delivery(hub).backoff;
        let reason = said.reason.clone();
        let waits = |verdict| (End::Failed { verdict, failures: row.failures, reason: reason.clone() }, Some(Release::More));
        let failures = row.failures + 1;
        // What became of an answer is of no record.
        let has_record = !matches!(row.ask, Asked::Status { .. });
        let missing = has_record && matches!(said.retry, Retry::Never) && reason.starts_with(RECORD_MISSING);
        Ok(match said.retry {
            Retry::Never if !missing => (End::Dead { reason }, None),
            // What keeps the whole connection waiting is not the row's fault, however long it lasts.
            Retry::AfterMs(_) => waits("after"),
            Retry::Later if lane.probe.is_some() && said.health == Health::Down => waits("later"),
            Retry::Reauthorise => {
                hub.credential_refused(&running.connection, asking, &reason).await?;
                // At once, or the vendor would be asked with it again and again until somebody looks.
                hub.registry.refresh().await?;
                waits("reauthorise")
            }
            Retry::Later | Retry::Never if failures >= backoff.tries => {
                (End::Dead { reason: format!("{reason} (given up after {failures} tries)") }, None)
            }
            // Somebody removed the record, and the person said nothing since.
            Retry::Never
                if let Some(missing) = &said.missing
                    && !hub.store.is_record_needed(lane.connection, &lane.lane).await? =>
            {
                hub.store.record_deleted(lane.connection, missing).await?;
                (End::Superseded, None)
            }
            Retry::Never => {
                // Somebody removed the record: the lead is written anew, and then this.
                hub.store.forget_record(lane, row.workspace, said.missing.as_deref()).await?;
                (End::Failed { verdict: "later", failures, reason }, Some(Release::More))
            }
            Retry::Later => {
                let due_at = hub.store.clock.now_ms().saturating_add(backoff.wait_ms(failures, self.random()));
                (End::Failed { verdict: "later", failures, reason }, Some(Release::Later { due_at }))
            }
        })
    }
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
    Said { retry, health, reason, missing: None }
}

/// The record that a command names.
fn record_of(payload: &str) -> Option<String> {
    let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
    ["lead_remote_id", "remote_id"].into_iter().find_map(|it| payload[it].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_record_or_none() {
        assert_eq!(record_of(r#"{"lead":{},"remote_id":"12"}"#).as_deref(), Some("12"));
        assert_eq!(record_of(r#"{"lead_remote_id":"15"}"#).as_deref(), Some("15"));
        assert_eq!(record_of(r#"{"lead":{}}"#), None);
    }

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
