//! Stored deliveries, read again by the connector that is installed now: the difference first, then taken over.
//!
//! Nothing is sent twice. An event is known by its key: one that is there already makes no second interaction, whatever it says now. An event
//! that is new goes the way of every new event. One that says something else than before is changed where it stands, and each sink gets one
//! upsert of its lead, which brings the sink's record up to date and adds nothing to its history.

use patchbay_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::timestamp;
use crate::hub::Hub;
use crate::ids::{ConnectionId, DeliveryId, WorkspaceId};
use crate::operations::OperationError;
use crate::reading;
use crate::registry::Running;
use crate::rules::ingest::{CheckedEvent, Intake, Outcome, ReadBy, Reading, Way};
use crate::rules::reread::{Before, Now, compare};
use crate::store::StoreError;
use crate::store::replay::{Kept, Reread, Stored};

/// Most deliveries of one page.
pub const MOST: i64 = 1_000;
/// How many deliveries are in memory at once.
const BATCH: i64 = 50;

/// What is to be read again.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayWanted {
    /// Only what was received from this time on (RFC 3339).
    pub since: Option<Timestamp>,
    /// Only deliveries after this one: `next` of the page before.
    #[schema(value_type = Option<String>)]
    pub after: Option<DeliveryId>,
    /// At most so many deliveries, 1 to 1000; 200 unless told.
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<i64>,
    /// Only what another version of the connector read, or another build of this one.
    pub other_version: bool,
    /// Take over what is new or different. Otherwise nothing changes.
    pub apply: bool,
}

/// How much is read differently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tally {
    /// Deliveries that were read.
    pub deliveries: usize,
    /// Events that are as they were.
    pub same: usize,
    /// Events that were not there.
    pub new: usize,
    /// Events that say something else.
    pub changed: usize,
    /// Events that were there and are not read any more.
    pub gone: usize,
    /// Deliveries that the connector cannot read now.
    pub unreadable: usize,
}

/// What reading again came to. What is gone stays where it is.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Replayed {
    /// How much is read differently.
    #[serde(flatten)]
    pub tally: Tally,
    /// Which version of the connector reads now.
    pub read_by: ReadBy,
    /// What is new, different, gone or unreadable, delivery by delivery.
    pub differences: Vec<Difference>,
    /// True where it was taken over.
    pub applied: bool,
    /// The `after` of the next page; absent: this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One event, or one whole delivery, that is read differently now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// `dlv_…`
    pub delivery: String,
    /// Which version of the connector read it before.
    pub before: String,
    /// `new`, `changed`, `gone`, `unreadable`, or `broken`: the connector traps on it, or runs into a limit
    pub what: What,
    /// The connector's key of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `message`, `call` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of a changed event: JSON pointers into its payload, 20 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Why it cannot be read or taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How a delivery or an event is read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It was not there.
    New,
    /// It says something else.
    Changed,
    /// It is not read any more.
    Gone,
    /// It cannot be read now.
    Unreadable,
    /// The connector traps on it, or runs into a limit.
    Broken,
}

impl What {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
            Self::Broken => "broken",
        }
    }

    /// True where the connector trapped or ran into a limit.
    #[must_use]
    pub fn is_broken(self) -> bool {
        self == Self::Broken
    }
}

impl Hub {
    /// Reads stored deliveries of a connection again, oldest first, and says what differs; with `apply` takes it over.
    pub async fn replay(&self, workspace: WorkspaceId, id: ConnectionId, wanted: &ReplayWanted) -> Result<Replayed, OperationError> {
        let running = self.registry.run(self.found(workspace, id).await?).await?;
        if running.instances.connector().manifest.webhook.is_none() {
            let problem = format!("the connector `{}` reads no deliveries: nobody posts to it", running.connection.connector);
            return Err(OperationError::Refused(problem));
        }
        let limit = wanted.limit.unwrap_or(200).clamp(1, MOST);
        let since = wanted.since.map_or(0, Timestamp::as_millisecond);
        let mut done = Replayed { applied: wanted.apply, read_by: (*running.origin.read_by).clone(), ..Replayed::default() };
        let (mut after, mut left) = (wanted.after, limit);
        while left > 0 {
            let page = self.store.kept_deliveries(workspace, id, after, since, left.min(BATCH)).await?;
            let Some(last) = page.last().map(|it| it.id) else { break };
            left -= i64::try_from(page.len()).unwrap_or(left);
            after = Some(last);
            for kept in page {
                if wanted.other_version && kept.read_by == *running.origin.read_by {
                    continue;
                }
                done.tally.deliveries += 1;
                self.replay_one(&running, kept, &mut done).await?;
            }
        }
        done.next = after.filter(|_| left == 0).map(|it| it.to_string());
        Ok(done)
    }

    async fn replay_one(&self, running: &Running, kept: Kept, done: &mut Replayed) -> Result<(), OperationError> {
        let request = reading::request(&kept.request, kept.body.clone());
        let read = reading::of(&running.instances, &request).await.reading;
        let events = match &read {
            Reading::Events(events) => events,
            Reading::Refused(reason) | Reading::Dead(reason) => {
                done.tally.unreadable += 1;
                // What was unreadable before is nothing new.
                if !matches!(kept.outcome.as_str(), "refused" | "dead") {
                    done.differences.push(Difference { problem: Some(reason.clone()), ..Difference::of(&kept, What::Unreadable) });
                }
                return Ok(());
            }
        };
        let keys: Vec<String> = events.iter().map(|it| it.key.clone()).collect();
        let stored = self.store.events_of(running.connection.id, kept.id, &keys).await?;
        let new = done.tally.new;
        let changed = done.tally.compare(&kept, events, &stored, &mut done.differences);
        if done.applied {
            self.take_over(running, kept, read, done.tally.new > new, &changed).await?;
        }
        Ok(())
    }

    async fn take_over(&self, running: &Running, kept: Kept, read: Reading, new: bool, changed: &[Reread]) -> Result<(), OperationError> {
        let contexts = self.contexts().await?;
        let (workspace, connection) = (running.connection.workspace, running.connection.id);
        let sinks = contexts.get(&workspace).map(|it| it.sinks.clone()).unwrap_or_default();
        self.store.reread_events(workspace, connection, changed, &sinks, crate::committer::REDRIVE_SHARD).await?;
        if !new {
            self.store.set_read_by(kept.id, &running.origin.read_by).await?;
            return Ok(());
        }
        // An accepted delivery stays accepted: at least one of its events is new. What is known is passed over by its key.
        let before = Outcome::ALL.into_iter().find(|it| it.as_str() == kept.outcome).unwrap_or(Outcome::Dead);
        let intake = Intake {
            id: kept.id,
            origin: running.origin.clone(),
            way: Way::Webhook,
            request: None,
            body: kept.body,
            fingerprint: None,
            received_at: timestamp(kept.received_at),
            reading: read,
            cursor: None,
        };
        match self.store.redrive_delivery(before, &intake, &contexts, crate::committer::REDRIVE_SHARD).await {
            // Somebody else took it over at the same time.
            Ok(_) | Err(StoreError::Gone(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tally {
    /// Compares what is read of a delivery now with what is stored; what has changed and can be taken over.
    fn compare(&mut self, kept: &Kept, events: &[CheckedEvent], stored: &[Stored], differences: &mut Vec<Difference>) -> Vec<Reread> {
        let before: Vec<Before<'_>> = stored.iter().map(|it| it.before(kept.id)).collect();
        let mut changed = Vec::new();
        for it in compare(events, &before) {
            if let Now::Changed { before, after, .. } = &it.now {
                let (before, after) = (&stored[*before], &events[*after]);
                changed.push(Reread { id: before.id, before: before.payload.clone(), payload: after.payload.clone() });
            }
            differences.extend(self.count(kept, it.key, it.kind, it.now));
        }
        changed
    }

    /// Counts one event; none: it is as it was.
    pub fn count(&mut self, kept: &Kept, key: &str, kind: &str, now: Now) -> Option<Difference> {
        let (what, places, problem) = match now {
            Now::Same => {
                self.same += 1;
                return None;
            }
            Now::New => (What::New, Vec::new(), None),
            Now::Changed { places, .. } => (What::Changed, places, None),
            Now::Misfit { places, problem } => (What::Changed, places, Some(problem)),
            Now::Unreadable(problem) => (What::Unreadable, Vec::new(), Some(problem)),
            Now::Gone => (What::Gone, Vec::new(), None),
        };
        match what {
            What::New => self.new += 1,
            // What stays as it was is named and not counted.
            What::Changed => self.changed += usize::from(problem.is_none()),
            What::Gone => self.gone += 1,
            What::Unreadable | What::Broken => {}
        }
        let (key, kind) = (Some(key.to_owned()), Some(kind.to_owned()));
        Some(Difference { key, kind, places, problem, ..Difference::of(kept, what) })
    }
}

impl Difference {
    /// For the log: nothing in it that a vendor or a person wrote.
    #[must_use]
    pub fn outline(&self) -> String {
        let Self { delivery, what, kind, places, .. } = self;
        let kind = kind.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
        let places = if places.is_empty() { String::new() } else { format!(" at {}", places.join(", ")) };
        format!("{delivery}{kind} {}{places}", what.as_str())
    }

    /// Of a whole delivery.
    #[must_use]
    pub fn of(kept: &Kept, what: What) -> Self {
        let (delivery, before) = (kept.id.to_string(), kept.read_by.version.clone());
        Self { delivery, before, what, key: None, kind: None, places: Vec::new(), problem: None }
    }
}
