//! Stored deliveries that are read again: what is kept of them, and taking over what is read differently now.

use std::collections::{BTreeMap, HashMap};

use super::counters;
use super::outbox::enqueue;
use super::retention::unpacked;
use super::{Record, Store, StoreError, Value};
use crate::ids::{ConnectionId, DeliveryId, EventId, LeadId, WorkspaceId};
use crate::rules::ingest::{Ask, Counted, NewOutbox, ReadBy};
use crate::rules::reread::Before;

/// A delivery that can be read again.
#[derive(Debug, Clone)]
pub struct Kept {
    /// `dlv_…`
    pub id: DeliveryId,
    /// `accepted`, `ignored`, `refused` or `dead`
    pub outcome: String,
    /// Method, path, query and headers, without credentials.
    pub request: serde_json::Value,
    /// Byte for byte.
    pub body: Vec<u8>,
    /// Milliseconds since 1970 UTC.
    pub received_at: i64,
    /// Which version of the connector read it last.
    pub read_by: ReadBy,
}

/// An event as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// `evt_…`
    pub id: EventId,
    /// The delivery that it came with. None: the hub made it.
    pub delivery: Option<DeliveryId>,
    /// The connector's deduplication key.
    pub key: String,
    /// `message`, `call` …
    pub kind: String,
    /// False: it did not fit its schema.
    pub accepted: bool,
    /// JSON.
    pub payload: String,
}

/// An event that is read differently now.
#[derive(Debug, Clone)]
pub struct Reread {
    /// `evt_…`
    pub id: EventId,
    /// What it said when it was compared: if it says something else by now, it is left alone.
    pub before: String,
    /// JSON.
    pub payload: String,
}

impl Stored {
    /// As it is compared with what is read of this delivery now.
    #[must_use]
    pub fn before(&self, delivery: DeliveryId) -> Before<'_> {
        let Self { key, kind, payload, accepted, .. } = self;
        Before { key, kind, payload, accepted: *accepted, here: self.delivery == Some(delivery) }
    }
}

const KEPT: &str = "select id, outcome, request, body, packed, size, received_at, read_version, read_digest from deliveries";

/// What a delivery must have to be read again: a poll's bytes alone are no delivery.
const READABLE: &str = "origin <> 'poll' and body is not null and request is not null";

impl Store {
    /// Deliveries of a connection whose bytes were kept as the vendor posted them, oldest first, after `after`, received from `since` on.
    pub async fn kept_deliveries(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        after: Option<DeliveryId>,
        since: i64,
        limit: i64,
    ) -> Result<Vec<Kept>, StoreError> {
        let sql = format!(
            "{KEPT} where workspace_id = $1 and connection_id = $2 and id > $3 and received_at >= $4 and origin = 'webhook' \
             and body is not null and request is not null order by id limit $5"
        );
        let after = after.map(|it| it.to_string()).unwrap_or_default();
        let rows = self.db.fetch(&sql, vec![workspace.into(), connection.into(), after.into(), since.into(), limit.into()]).await?;
        Ok(rows.iter().map(kept).collect::<sqlx::Result<_>>()?)
    }

    /// The delivery right before the last `count` of a connection that can be read again; none: there are no more than that.
    pub async fn before_last(&self, connection: ConnectionId, count: i64) -> Result<Option<DeliveryId>, StoreError> {
        // Outcome by outcome, so that the index leads to them.
        let of = |outcome: &str| {
            format!(
                "select id from (select id from deliveries where connection_id = $1 and outcome = '{outcome}' and {READABLE} order by id desc limit $2) {outcome}"
            )
        };
        let all = ["accepted", "refused", "dead"].map(of).join(" union all ");
        let sql = format!("select id from ({all}) s order by id desc limit 1 offset $3");
        let row = self.db.fetch_optional(&sql, vec![connection.into(), (count + 1).into(), count.into()]).await?;
        Ok(row.map(|it| it.id(0)).transpose()?)
    }

    /// Deliveries of a connection that can be read again, oldest first, after `after`.
    pub async fn readable_deliveries(
        &self,
        connection: ConnectionId,
        after: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Vec<Kept>, StoreError> {
        let sql = format!("{KEPT} where connection_id = $1 and id > $2 and {READABLE} order by id limit $3");
        let after = after.map(|it| it.to_string()).unwrap_or_default();
        let rows = self.db.fetch(&sql, vec![connection.into(), after.into(), limit.into()]).await?;
        Ok(rows.iter().map(kept).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down which version of the connector read a delivery last.
    pub async fn set_read_by(&self, id: DeliveryId, read_by: &ReadBy) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update deliveries set read_version = $2, read_digest = $3 where id = $1";
        tx.execute(sql, vec![id.into(), read_by.version.as_str().into(), read_by.digest.as_str().into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The events of a connection that came with this delivery, or have one of these keys.
    pub async fn events_of(&self, connection: ConnectionId, delivery: DeliveryId, keys: &[String]) -> Result<Vec<Stored>, StoreError> {
        const COLUMNS: &str = "select id, delivery_id, key, kind, state, payload from events";
        let mut found: BTreeMap<EventId, Stored> = BTreeMap::new();
        let mut rows = self.db.fetch(&format!("{COLUMNS} where delivery_id = $1"), vec![delivery.into()]).await?;
        for keys in keys.chunks(500) {
            let list = (0..keys.len()).map(|at| format!("${}", at + 2)).collect::<Vec<_>>().join(",");
            let values = std::iter::once(connection.into()).chain(keys.iter().map(|it| Value::from(it.as_str()))).collect();
            rows.extend(self.db.fetch(&format!("{COLUMNS} where connection_id = $1 and key in ({list})"), values).await?);
        }
        for it in &rows {
            let stored = Stored {
                id: it.id(0)?,
                delivery: it.opt_id(1)?,
                key: it.text(2)?,
                kind: it.text(3)?,
                accepted: it.text(4)? == "accepted",
                payload: it.text(5)?,
            };
            found.insert(stored.id, stored);
        }
        Ok(found.into_values().collect())
    }

    /// Takes over what events say now, and asks each sink for one upsert of each lead that one of them belongs to. The number of events that
    /// were changed: one that somebody else changed meanwhile is left alone.
    pub async fn reread_events(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        changed: &[Reread],
        sinks: &[ConnectionId],
        shard: i64,
    ) -> Result<usize, StoreError> {
        if changed.is_empty() {
            return Ok(0);
        }
        // Interactions are not found by their event but by looking at all of a connection's: before the transaction, so that nobody waits.
        let mut leads: HashMap<EventId, LeadId> = HashMap::new();
        for part in changed.chunks(500) {
            let list = (0..part.len()).map(|at| format!("${}", at + 3)).collect::<Vec<_>>().join(",");
            let sql = format!(
                "select event_id, lead_id from interactions where workspace_id = $1 and connection_id = $2 and lead_id is not null and event_id in ({list})"
            );
            let values = [workspace.into(), connection.into()].into_iter().chain(part.iter().map(|it| it.id.into())).collect();
            for row in self.db.fetch(&sql, values).await? {
                leads.insert(row.id(0)?, row.id(1)?);
            }
        }
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let mut told = std::collections::BTreeSet::new();
        let mut count = 0;
        for it in changed {
            let sql = "update events set payload = $3 where workspace_id = $1 and id = $2 and payload = $4";
            let values = vec![workspace.into(), it.id.into(), it.payload.as_str().into(), it.before.as_str().into()];
            if tx.execute(sql, values).await? == 1 {
                count += 1;
                told.extend(leads.get(&it.id).copied());
            }
        }
        let mut rows = Vec::new();
        let mut counted: BTreeMap<ConnectionId, Counted> = BTreeMap::new();
        for sink in sinks.iter().filter(|it| **it != connection) {
            for lead in &told {
                counted.entry(*sink).or_default().created += 1;
                rows.push(NewOutbox { id: self.ids.next(), workspace, sink: *sink, lead: *lead, ask: Ask::Upsert, created_at: now });
            }
        }
        enqueue(&mut tx, rows, now.as_millisecond());
        counters::add(&mut tx, &counted, shard);
        tx.commit().await?;
        Ok(count)
    }
}

fn kept(row: &Record) -> sqlx::Result<Kept> {
    Ok(Kept {
        id: row.id(0)?,
        outcome: row.text(1)?,
        request: row.json(2)?,
        body: unpacked(row.opt_bytes(3)?, row.int(4)?, row.int(5)?)?.unwrap_or_default(),
        received_at: row.int(6)?,
        read_by: ReadBy { version: row.text(7)?, digest: row.text(8)? },
    })
}
