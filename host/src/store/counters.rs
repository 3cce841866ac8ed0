//! The sums of each connection.

use std::collections::BTreeMap;

use super::db::Type::{Int, Text};
use super::{Record, Store, StoreError, Tx};
use crate::ids::{ConnectionId, WorkspaceId};
use crate::rules::ingest::{Counted, Outcome};

/// The sums of one connection, over all writers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Sums {
    /// `cxn_…`
    pub connection: String,
    /// Deliveries: `accepted + duplicate + ignored + refused + dead`.
    pub received: i64,
    /// At least one event was new.
    pub accepted: i64,
    /// Every event was there before.
    pub duplicate: i64,
    /// No event in it.
    pub ignored: i64,
    /// The connector could not read it.
    pub refused: i64,
    /// It trapped, timed out, or no event fitted the schema.
    pub dead: i64,
    /// Of refused and dead: not kept, because the quota was full.
    pub unkept: i64,
    /// Outbox rows: `delivered + superseded + outbox_dead + pending`.
    pub created: i64,
    /// Carried out.
    pub delivered: i64,
    /// Made unnecessary by a later row.
    pub superseded: i64,
    /// Given up.
    pub outbox_dead: i64,
}

/// How many rows of the outbox ended; less than zero: they wait again, or ended otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Carried out.
    pub delivered: i64,
    /// Made unnecessary by a later row.
    pub superseded: i64,
    /// Given up.
    pub dead: i64,
}

/// Queues what a batch counted. The row stays locked from the write to the commit.
pub(super) fn add(tx: &mut Tx, counted: &BTreeMap<ConnectionId, Counted>, shard: i64) {
    let rows = counted.iter().map(|(connection, it)| {
        let mut row = vec![(*connection).into(), shard.into(), it.received.into()];
        row.extend(it.outcomes.map(Into::into));
        row.push(it.unkept.into());
        row.push(it.created.into());
        row
    });
    let sql = "insert into counters (connection_id, shard, received, accepted, duplicate, ignored, refused, dead, unkept, created) {rows} \
               on conflict (connection_id, shard) do update set received = counters.received + excluded.received, \
               accepted = counters.accepted + excluded.accepted, duplicate = counters.duplicate + excluded.duplicate, \
               ignored = counters.ignored + excluded.ignored, refused = counters.refused + excluded.refused, \
               dead = counters.dead + excluded.dead, unkept = counters.unkept + excluded.unkept, created = counters.created + excluded.created";
    tx.queue(sql, &[Text, Int, Int, Int, Int, Int, Int, Int, Int, Int], rows.collect());
}

/// Queues how rows of the outbox ended.
pub(super) fn ended(tx: &mut Tx, ended: &BTreeMap<ConnectionId, Ends>, shard: i64) {
    let counted = ended.iter().filter(|(_, it)| **it != Ends::default());
    let rows =
        counted.map(|(connection, it)| vec![(*connection).into(), shard.into(), it.delivered.into(), it.superseded.into(), it.dead.into()]);
    let sql = "with k(connection_id, shard, delivered, superseded, outbox_dead) as ({rows}) \
               insert into counters (connection_id, shard, delivered, superseded, outbox_dead) \
               select connection_id, shard, delivered, superseded, outbox_dead from k where true \
               on conflict (connection_id, shard) do update set delivered = counters.delivered + excluded.delivered, \
               superseded = counters.superseded + excluded.superseded, outbox_dead = counters.outbox_dead + excluded.outbox_dead";
    tx.queue(sql, &[Text, Int, Int, Int, Int], rows.collect());
}

/// Moves one delivery from dead to what it became when it was redriven.
pub(super) async fn redriven(tx: &mut Tx, connection: ConnectionId, from: Outcome, to: Outcome, shard: i64) -> sqlx::Result<()> {
    // The column's name comes from a closed enum, never from outside.
    for (outcome, step) in [(from, -1_i64), (to, 1)] {
        let name = outcome.as_str();
        let sql = format!(
            "insert into counters (connection_id, shard, {name}) values ($1, $2, $3) \
             on conflict (connection_id, shard) do update set {name} = counters.{name} + excluded.{name}"
        );
        tx.execute(&sql, vec![connection.into(), shard.into(), step.into()]).await?;
    }
    Ok(())
}

impl Sums {
    /// Rows of the outbox that still wait.
    #[must_use]
    pub fn pending(&self) -> i64 {
        self.created - self.delivered - self.superseded - self.outbox_dead
    }
}

// PostgreSQL adds bigints up to a numeric, hence the casts.
const SUMS: &str = "c.connection_id, cast(sum(received) as bigint), cast(sum(accepted) as bigint), cast(sum(duplicate) as bigint), \
                    cast(sum(ignored) as bigint), cast(sum(refused) as bigint), cast(sum(dead) as bigint), cast(sum(unkept) as bigint), \
                    cast(sum(created) as bigint), cast(sum(delivered) as bigint), cast(sum(superseded) as bigint), cast(sum(outbox_dead) as bigint)";

impl Store {
    /// The sums of every connection of a workspace, removed ones too.
    pub async fn sums(&self, workspace: WorkspaceId) -> Result<Vec<Sums>, StoreError> {
        let sql = format!(
            "select {SUMS} from counters c join connections x on x.id = c.connection_id where x.workspace_id = $1 group by 1 order by 1"
        );
        let rows = self.db.fetch(&sql, vec![workspace.into()]).await?;
        Ok(rows.iter().map(sums).collect::<sqlx::Result<_>>()?)
    }

    /// The sums of every connection of the hub, for its own metrics.
    pub async fn all_sums(&self) -> Result<Vec<Sums>, StoreError> {
        let rows = self.db.fetch(&format!("select {SUMS} from counters c group by 1 order by 1"), Vec::new()).await?;
        Ok(rows.iter().map(sums).collect::<sqlx::Result<_>>()?)
    }
}

fn sums(row: &Record) -> sqlx::Result<Sums> {
    Ok(Sums {
        connection: row.text(0)?,
        received: row.int(1)?,
        accepted: row.int(2)?,
        duplicate: row.int(3)?,
        ignored: row.int(4)?,
        refused: row.int(5)?,
        dead: row.int(6)?,
        unkept: row.int(7)?,
        created: row.int(8)?,
        delivered: row.int(9)?,
        superseded: row.int(10)?,
        outbox_dead: row.int(11)?,
    })
}
