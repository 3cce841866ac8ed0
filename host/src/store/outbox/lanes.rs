//! Lanes: who serves them, and what waits in them.

use super::{Asked, LANE_ROWS, Lane, Waiting};
use crate::ids::{ConnectionId, LeadId, OutboxId, WorkspaceId};
use crate::rules::ingest::{MergeNote, MergeStep};
use crate::store::db::Type::{Int, Text};
use crate::store::holds::{self, Turn};
use crate::store::{Record, Store, StoreError};

impl Store {
    /// Gives back the leases of lanes, probes and turns to poll, to stream and to compare contacts that a former run of this hub held when it ended; how many lanes.
    pub async fn release_own_leases(&self, hub: &str) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let prefix = format!("{hub}/");
        let length = i64::try_from(prefix.chars().count()).unwrap_or(0);
        // PostgreSQL's substr takes an integer, not a bigint.
        let ours = |column: &str| format!("substr({column}, 1, cast($2 as integer)) = $1");
        let values = || vec![prefix.as_str().into(), length.into()];
        let sql = format!("update lanes set lease_until = 0 where lease_until > 0 and {}", ours("lease_token"));
        let touched = tx.execute(&sql, values()).await?;
        for turns in ["polls", "streams", "matching", "authorisations", "upkeep"] {
            tx.execute(&format!("update {turns} set lease_until = 0 where lease_until > 0 and {}", ours("lease_token")), values()).await?;
        }
        tx.execute(&format!("update holds set probe = null, until = 0 where {}", ours("probe")), values()).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// Leases up to `limit` due lanes of a connection for so many milliseconds. None while its vendor is left alone, and one where that
    /// lane is to find out whether the vendor is back.
    pub async fn claim_lanes(&self, connection: ConnectionId, hub: &str, limit: i64, lease_ms: i64) -> Result<Vec<Lane>, StoreError> {
        let now = self.clock.now_ms();
        // A look first, so that an empty outbox, or one that is held up, costs no write.
        // In the order of the index: without it PostgreSQL reads the table from its beginning, past all that is done and not swept up yet.
        let look = "select (select until from holds where connection_id = $1) from lanes \
                    where connection_id = $1 and due_at <= $2 and lease_until <= $2 order by due_at limit 1";
        let Some(found) = self.db.fetch_optional(look, vec![connection.into(), now.into()]).await? else { return Ok(Vec::new()) };
        let held = found.opt_int(0)?;
        if held.is_some_and(|it| it > now) {
            return Ok(Vec::new());
        }
        let token = format!("{hub}/{}", self.ids.next::<crate::ids::Attempt>());
        let claimed = self.claim(connection, &token, limit, lease_ms, held.is_some()).await;
        claimed.map_err(|source| StoreError::Claim { token, source })
    }

    async fn claim(&self, connection: ConnectionId, token: &str, limit: i64, lease_ms: i64, is_held: bool) -> sqlx::Result<Vec<Lane>> {
        let now = self.clock.now_ms();
        let due = "select lane, lease_token, enqueued from lanes \
                   where connection_id = $1 and due_at <= $2 and lease_until <= $2 order by due_at limit $3";
        let mut tx = self.db.begin().await?;
        let turn = if is_held { holds::turn(&mut tx, connection, now).await? } else { Turn::All };
        let (limit, probe) = match turn {
            Turn::All => (limit, None),
            Turn::Probe(probes) => (limit.min(1), Some(probes)),
            Turn::Nobody => return Ok(Vec::new()),
        };
        let sql = if tx.has_company() { format!("{due} for update skip locked") } else { due.to_owned() };
        let rows = tx.fetch(&sql, vec![connection.into(), now.into(), limit.into()]).await?;
        let lanes = rows
            .iter()
            .map(|row| {
                Ok(Lane {
                    connection,
                    lane: row.text(0)?,
                    token: token.to_owned(),
                    abandoned: row.opt_text(1)?.is_some(),
                    probe,
                    lease_ms,
                    enqueued: row.int(2)?,
                })
            })
            .collect::<sqlx::Result<Vec<_>>>()?;
        if probe.is_some() && !lanes.is_empty() {
            holds::begin_probe(&mut tx, connection, token, now + lease_ms).await?;
        }
        let sql = "with k(connection_id, lane, token, until) as ({rows}) update lanes set lease_token = k.token, lease_until = k.until \
                   from k where lanes.connection_id = k.connection_id and lanes.lane = k.lane";
        let rows = lanes.iter().map(|it| vec![connection.into(), it.lane.as_str().into(), token.into(), (now + lease_ms).into()]);
        tx.queue(sql, &[Text, Text, Text, Int], rows.collect());
        tx.commit().await?;
        Ok(lanes)
    }

    /// Gives back what was leased under a token, or one lane of it, where it is not known what the database wrote down last. It is due in
    /// `wait_ms` milliseconds, and the next worker is told that something may have been done. What another one has by now stays its own.
    pub async fn abandon(&self, connection: ConnectionId, token: &str, lane: Option<&str>, wait_ms: i64) -> Result<(), StoreError> {
        let due_at = self.clock.now_ms().saturating_add(wait_ms);
        let mut tx = self.db.begin().await?;
        let sql =
            "update lanes set lease_until = 0, due_at = $3 where connection_id = $1 and lease_token = $2 and lane = coalesce($4, lane)";
        tx.execute(sql, vec![connection.into(), token.into(), due_at.into(), lane.into()]).await?;
        holds::give_up_probe(&mut tx, connection, token, due_at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The rows that wait in a lane, in order.
    pub async fn waiting(&self, lane: &Lane) -> Result<Vec<Waiting>, StoreError> {
        let sql = "select id, workspace_id, kind, subject_id, payload, attempts, failures from outbox \
                   where connection_id = $1 and lane = $2 and state = 'pending' order by id limit $3";
        let rows = self.db.fetch(sql, vec![lane.connection.into(), lane.lane.as_str().into(), LANE_ROWS.into()]).await?;
        Ok(rows.iter().map(waiting).collect::<sqlx::Result<_>>()?)
    }

    /// True when the sink was asked for a record of the lead in this lane before, whatever came of it.
    pub async fn was_tried(&self, connection: ConnectionId, lane: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from outbox where connection_id = $1 and lane = $2 and kind = 'lead.upsert' and attempts > 0 limit 1";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), lane.into()]).await?.is_some())
    }

    /// One row, whatever became of it, with its connection and lane.
    pub async fn row(&self, workspace: WorkspaceId, id: OutboxId) -> Result<Option<(ConnectionId, String, Waiting)>, StoreError> {
        let sql = "select id, workspace_id, kind, subject_id, payload, attempts, failures, connection_id, lane from outbox \
                   where workspace_id = $1 and id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.map(|it| Ok::<_, sqlx::Error>((it.id(7)?, it.text(8)?, waiting(&it)?))).transpose()?)
    }

    /// When the next lane of a connection is due, and its vendor may be asked, milliseconds since 1970 UTC.
    pub async fn next_due(&self, connection: ConnectionId) -> Result<Option<i64>, StoreError> {
        // The first one that nobody serves, and those before it, which are all served: so it costs the same however many wait. Nobody serves a
        // thousand at once; the limit has PostgreSQL go by the index.
        let sql = "with free(due_at) as (select due_at from lanes where connection_id = $1 and lease_until <= due_at order by due_at limit 1), \
                   served(until) as (select min(lease_until) from (select lease_until from lanes where connection_id = $1 and lease_until > due_at \
                   and due_at <= coalesce((select due_at from free), 9223372036854775807) order by due_at limit 1000) first) \
                   select (select due_at from free), (select until from served), (select until from holds where connection_id = $1)";
        let Some(row) = self.db.fetch_optional(sql, vec![connection.into()]).await? else { return Ok(None) };
        let due = [row.opt_int(0)?, row.opt_int(1)?].into_iter().flatten().min();
        Ok(due.max(due.and(row.opt_int(2)?)))
    }
}

/// The payload of a note; of an erased person's, nothing.
#[derive(serde::Deserialize)]
struct Others {
    #[serde(default)]
    others: Vec<LeadId>,
}

fn waiting(row: &Record) -> sqlx::Result<Waiting> {
    let ask = match row.text(2)?.as_str() {
        "lead.upsert" => Asked::Upsert(row.id(3)?),
        "interaction.add" => Asked::Add(row.id(3)?),
        "message.send" => Asked::Send(row.text(4)?),
        "message.status" => Asked::Status { answer: row.id(3)?, became: serde_json::from_str(&row.text(4)?).ok() },
        "call.start" => Asked::Call(row.text(4)?),
        other if let Some(step) = MergeStep::parse(other) => {
            let Others { others } = row.json(4)?;
            Asked::Note(MergeNote { merge: row.id(3)?, step, others })
        }
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no kind of command").into())),
    };
    Ok(Waiting { id: row.id(0)?, workspace: row.id(1)?, ask, attempts: row.int(5)?, failures: row.int(6)? })
}
