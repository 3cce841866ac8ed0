//! A shadow run: another version of a connector reads what came in last, beside the one that is in use, before it takes over.
//!
//! Both read under the same conditions, so that whatever differs is the versions' own: the clock stands at the receipt of the delivery,
//! randomness begins with the same number, and what either remembers begins empty and ends with the run. There is no network, no secret's
//! use is counted, and nothing is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::pace::Pace;
use crate::plugin::outbound::Outbound;
use crate::plugin::state::StateKeeper;
use crate::plugin::{Connector, Instances, Randomness, Surroundings, compose};
use crate::reading::{self, Answer, Read};
use crate::registry::{Registry, RunError, Secrets};
use crate::replay::{Difference, Tally, What};
use crate::rules::ingest::Reading;
use crate::rules::reread::{Before, compare};
use crate::store::connections::Connection;
use crate::store::replay::Kept;

/// How many deliveries are in memory at once.
const BATCH: i64 = 20;
/// Most differences that are named of one connection; all are counted.
const MOST_NAMED: usize = 100;
/// What random bytes begin with.
const SEED: u64 = 1;

/// What another version of a connector would read of what came in last in one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seen {
    /// How much is read differently.
    #[serde(flatten)]
    pub tally: Tally,
    /// Deliveries on which it traps or runs into a limit, and the version in use does not.
    pub broken: usize,
    /// What is read differently, 100 at most.
    pub differences: Vec<Difference>,
}

/// One version of a connector in a connection that leads nowhere.
struct Side {
    instances: Instances,
    now: Arc<AtomicI64>,
}

impl Seen {
    /// True where something that is read now would not be read any more.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.broken > 0 || self.tally.gone > 0 || self.tally.unreadable > 0
    }

    /// The same without the connectors' keys of events, in which a vendor may have put anything.
    #[must_use]
    pub fn without_keys(&self) -> Self {
        let differences = self.differences.iter().map(|it| Difference { key: None, ..it.clone() });
        Self { differences: differences.collect(), ..self.clone() }
    }

    fn name(&mut self, difference: Difference) {
        if self.differences.len() < MOST_NAMED {
            self.differences.push(difference);
        }
    }

    /// Compares what both versions made of one delivery.
    fn take(&mut self, kept: &Kept, before: &Read, after: &Read) {
        self.tally.deliveries += 1;
        let broken = |it: &Read| matches!(it.answer, Answer::Broken);
        let (read, said) = match (&before.reading, &after.reading) {
            (Reading::Events(before), Reading::Events(after)) => (before.as_slice(), after.as_slice()),
            (_, Reading::Events(after)) => (&[][..], after.as_slice()),
            (_, Reading::Refused(reason) | Reading::Dead(reason)) if broken(after) && !broken(before) => {
                self.broken += 1;
                return self.name(Difference { problem: Some(reason.clone()), ..Difference::of(kept, What::Broken) });
            }
            (Reading::Events(_), Reading::Refused(reason) | Reading::Dead(reason)) => {
                self.tally.unreadable += 1;
                return self.name(Difference { problem: Some(reason.clone()), ..Difference::of(kept, What::Unreadable) });
            }
            // What neither can read is nothing new.
            _ => return,
        };
        let read: Vec<Before<'_>> = read.iter().map(Before::of).collect();
        for it in compare(said, &read) {
            if let Some(difference) = self.tally.count(kept, it.key, it.kind, it.now) {
                self.name(difference);
            }
        }
    }
}

impl Side {
    fn new(connection: &Connection, connector: &Arc<Connector>, mut secrets: Secrets) -> Self {
        compose(&connector.manifest, &connection.config, &mut secrets);
        let now = Arc::new(AtomicI64::new(0));
        let surroundings = Surroundings {
            connection: format!("{} (shadow)", connection.id),
            pace: Pace::default(),
            manifest: Arc::clone(&connector.manifest),
            config_text: connection.config.to_string(),
            config: connection.config.clone(),
            secrets,
            uses: Arc::default(),
            tokens: None,
            outbound: Outbound::Closed,
            state: StateKeeper::in_memory(),
            clock: Clock::Manual(Arc::clone(&now)),
            random: Randomness::seeded(SEED),
            journal: Arc::default(),
        };
        Self { instances: Instances::new(Arc::clone(connector), Arc::new(surroundings)), now }
    }

    async fn read(&self, kept: &Kept) -> Read {
        self.now.store(kept.received_at, Ordering::Relaxed);
        self.instances.surroundings().random.restart(SEED);
        match reading::frames(&kept.request, &kept.body) {
            Some(frames) => reading::of_frames(&self.instances, &frames).await,
            None => reading::of(&self.instances, &reading::request(&kept.request, kept.body.clone())).await,
        }
    }
}

impl Registry {
    /// Has two versions of a connector read the last deliveries of a connection, at most so many. What was polled is no delivery's bytes
    /// alone and is not read; duplicates and what held no event are not kept.
    pub async fn shadow(
        &self,
        connection: &Connection,
        before: &Arc<Connector>,
        after: &Arc<Connector>,
        most: u32,
    ) -> Result<Seen, RunError> {
        let mut seen = Seen::default();
        let mut left = i64::from(most);
        if left == 0 {
            return Ok(seen);
        }
        let secrets = self.secrets_of(connection).await?;
        let (before, after) = (Side::new(connection, before, secrets.clone()), Side::new(connection, after, secrets));
        let mut reached = self.store().before_last(connection.id, left).await?;
        while left > 0 {
            let page = self.store().readable_deliveries(connection.id, reached, left.min(BATCH)).await?;
            let Some(last) = page.last().map(|it| it.id) else { break };
            left -= i64::try_from(page.len()).unwrap_or(left);
            reached = Some(last);
            for kept in page {
                let (was, mut is) = (before.read(&kept).await, after.read(&kept).await);
                if matches!(is.answer, Answer::Broken) {
                    // A machine that is busy must not speak against it: what is broken is broken twice.
                    is = after.read(&kept).await;
                }
                if !matches!((&was.answer, &is.answer), (Answer::Busy, _) | (_, Answer::Busy)) {
                    seen.take(&kept, &was, &is);
                }
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::ids::Ids;
    use crate::plugin::{Event, Reply};
    use crate::rules::ingest::ReadBy;

    fn kept() -> Kept {
        let read_by = ReadBy { version: "1.0.0".to_owned(), digest: String::new() };
        let (id, outcome) = (Ids::new(Clock::System).next(), "accepted".to_owned());
        Kept { id, outcome, request: serde_json::Value::Null, body: Vec::new(), received_at: 0, read_by }
    }

    fn read(keys: &[&str]) -> Read {
        let event = |key: &&str| Event { id: (*key).to_owned(), kind: "odd".to_owned(), occurred_at_ms: None, payload: "{}".to_owned() };
        let reading = reading::events(keys.iter().map(event).collect());
        Read { reading, answer: Answer::Reply(Reply { status: 200, headers: Vec::new(), body: Vec::new(), events: Vec::new() }) }
    }

    fn refused() -> Read {
        Read { reading: Reading::Refused("body.shape: no".to_owned()), answer: Answer::Refused(String::new()) }
    }

    fn trapped() -> Read {
        Read { reading: Reading::Dead("connector.trap: unreachable".to_owned()), answer: Answer::Broken }
    }

    #[test]
    fn what_one_version_reads_and_the_other_does_not_is_told_apart() {
        let seen = |before: Read, after: Read| {
            let mut seen = Seen::default();
            seen.take(&kept(), &before, &after);
            let Tally { same, new, gone, unreadable, .. } = seen.tally;
            ([same, new, gone, unreadable, seen.broken], seen.loses())
        };
        assert_eq!(seen(read(&["a", "b"]), read(&["a", "c"])), ([1, 1, 1, 0, 0], true));
        assert_eq!(seen(read(&["a"]), read(&["a", "b"])), ([1, 1, 0, 0, 0], false));
        assert_eq!(seen(refused(), read(&["a"])), ([0, 1, 0, 0, 0], false));
        assert_eq!(seen(trapped(), read(&[])), ([0; 5], false));
        assert_eq!(seen(read(&["a"]), refused()), ([0, 0, 0, 1, 0], true));
        assert_eq!(seen(read(&["a"]), trapped()), ([0, 0, 0, 0, 1], true));
        assert_eq!(seen(refused(), trapped()), ([0, 0, 0, 0, 1], true));
        assert_eq!(seen(trapped(), trapped()), ([0; 5], false), "neither can, which is nothing new");
    }
}
