//! Deliveries and outbox rows as they are shown.

use serde::Serialize;
use serde_json::Value as Json;

use super::retention::unpacked;
use super::{Record, Store, StoreError, Value};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, DeliveryId, OutboxId, WorkspaceId};
use crate::rules::ingest::ReadBy;

/// A delivery as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DeliveryView {
    /// `dlv_…`
    pub id: DeliveryId,
    /// Where it came in.
    pub connection: ConnectionId,
    /// `webhook` or `poll`
    pub origin: String,
    /// `accepted`, `duplicate`, `ignored`, `refused` or `dead`
    pub outcome: String,
    /// Why it was refused or is dead; of a duplicate of a dead one, which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Method, path, query and headers, without credentials.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Json>,
    /// Bytes of the body.
    pub size: i64,
    /// When it was received.
    pub received_at: patchbay_schemas::Timestamp,
    /// Which version of the connector read it last.
    pub read_by: ReadBy,
}

/// A row of the outbox as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct OutboxView {
    /// `out_…`
    pub id: OutboxId,
    /// Who carries it out.
    pub connection: ConnectionId,
    /// The lead or conversation in whose order it stands.
    pub lane: String,
    /// `lead.upsert`, `interaction.add`, `message.send`, `message.status`, `call.start`, `person.merged` or `person.unmerged`
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// `pending`, `delivered`, `superseded` or `dead`
    pub state: String,
    /// Tries so far.
    pub attempts: i64,
    /// Why it is dead, or why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: patchbay_schemas::Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<patchbay_schemas::Timestamp>,
}

/// One try of a row of the outbox.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// When it began.
    pub at: patchbay_schemas::Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// `delivered`, `dead`, or the failure's verdict: `later`, `after` or `reauthorise`
    pub result: String,
    /// The failure's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the connector said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Which rows are wanted, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this connection.
    pub connection: Option<ConnectionId>,
    /// Only with this outcome or state.
    pub state: Option<String>,
    /// Only in this lane.
    pub lane: Option<String>,
    /// Only older than this id.
    pub before: Option<String>,
    /// At most so many.
    pub limit: i64,
}

impl Filter {
    fn sql(&self, select: &str, state: &str, workspace: WorkspaceId) -> (String, Vec<Value>) {
        let mut values: Vec<Value> = vec![workspace.into()];
        let mut sql = select.to_owned();
        let mut condition = |text: &str, value: Value| {
            values.push(value);
            sql.push_str(&text.replace('?', &format!("${}", values.len())));
        };
        if let Some(connection) = self.connection {
            condition(" and connection_id = ?", connection.into());
        }
        if let Some(wanted) = &self.state {
            condition(&format!(" and {state} = ?"), wanted.as_str().into());
        }
        if let Some(lane) = &self.lane {
            condition(" and lane = ?", lane.as_str().into());
        }
        if let Some(before) = &self.before {
            condition(" and id < ?", before.as_str().into());
        }
        condition(" order by id desc limit ?", self.limit.into());
        (sql, values)
    }
}

const DELIVERY: &str = "select id, connection_id, origin, outcome, reason, request, size, received_at, read_version, read_digest \
    from deliveries where workspace_id = $1";
const OUTBOX: &str = "select id, connection_id, lane, kind, subject_id, state, attempts, reason, created_at, finished_at from outbox where workspace_id = $1";

impl Store {
    /// Deliveries, newest first. `filter.lane` means nothing here.
    pub async fn deliveries(&self, workspace: WorkspaceId, filter: &Filter) -> Result<Vec<DeliveryView>, StoreError> {
        let (sql, values) = Filter { lane: None, ..filter.clone() }.sql(DELIVERY, "outcome", workspace);
        let rows = self.db.fetch(&sql, values).await?;
        Ok(rows.iter().map(delivery).collect::<sqlx::Result<_>>()?)
    }

    /// A delivery and its body, byte for byte; no body of duplicates, nor of those whose time is over.
    pub async fn delivery(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<Option<(DeliveryView, Option<Vec<u8>>)>, StoreError> {
        let sql = format!("{} and id = $2", DELIVERY.replace(" from deliveries", ", body, packed from deliveries"));
        let row = self.db.fetch_optional(&sql, vec![workspace.into(), id.into()]).await?;
        Ok(row
            .as_ref()
            .map(|it| Ok::<_, sqlx::Error>((delivery(it)?, unpacked(it.opt_bytes(10)?, it.int(11)?, it.int(6)?)?)))
            .transpose()?)
    }

    /// Rows of the outbox, newest first.
    pub async fn outbox(&self, workspace: WorkspaceId, filter: &Filter) -> Result<Vec<OutboxView>, StoreError> {
        let (sql, values) = filter.sql(OUTBOX, "state", workspace);
        let rows = self.db.fetch(&sql, values).await?;
        Ok(rows.iter().map(outbox).collect::<sqlx::Result<_>>()?)
    }

    /// One row of the outbox.
    pub async fn outbox_row(&self, workspace: WorkspaceId, id: OutboxId) -> Result<Option<OutboxView>, StoreError> {
        let row = self.db.fetch_optional(&format!("{OUTBOX} and id = $2"), vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(outbox).transpose()?)
    }

    /// The tries of a row of the outbox, newest first.
    pub async fn attempts(&self, workspace: WorkspaceId, id: OutboxId, limit: i64) -> Result<Vec<AttemptView>, StoreError> {
        let sql = "select a.at, a.took_ms, a.result, a.code, a.message from attempts a join outbox o on o.id = a.outbox_id \
                   where o.workspace_id = $1 and a.outbox_id = $2 order by a.id desc limit $3";
        let rows = self.db.fetch(sql, vec![workspace.into(), id.into(), limit.into()]).await?;
        Ok(rows.iter().map(attempt).collect::<sqlx::Result<_>>()?)
    }
}

fn attempt(row: &Record) -> sqlx::Result<AttemptView> {
    Ok(AttemptView {
        at: timestamp(row.int(0)?),
        took_ms: row.int(1)?,
        result: row.text(2)?,
        code: row.opt_text(3)?,
        message: row.opt_text(4)?,
    })
}

fn delivery(row: &Record) -> sqlx::Result<DeliveryView> {
    Ok(DeliveryView {
        id: row.id(0)?,
        connection: row.id(1)?,
        origin: row.text(2)?,
        outcome: row.text(3)?,
        reason: row.opt_text(4)?,
        request: row.opt_text(5)?.and_then(|it| serde_json::from_str(&it).ok()),
        size: row.int(6)?,
        received_at: timestamp(row.int(7)?),
        read_by: ReadBy { version: row.text(8)?, digest: row.text(9)? },
    })
}

fn outbox(row: &Record) -> sqlx::Result<OutboxView> {
    Ok(OutboxView {
        id: row.id(0)?,
        connection: row.id(1)?,
        lane: row.text(2)?,
        kind: row.text(3)?,
        subject: row.text(4)?,
        state: row.text(5)?,
        attempts: row.int(6)?,
        reason: row.opt_text(7)?,
        created_at: timestamp(row.int(8)?),
        finished_at: row.opt_int(9)?.map(timestamp),
    })
}
