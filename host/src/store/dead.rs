//! Dead letters: what stopped, with its reason. Deliveries, events and outbox rows in one list.

use serde::Serialize;

use super::{Record, Store, StoreError, Value};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::rules::ingest::ReadBy;

/// What stopped.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DeadLetter {
    /// `dlv_…`, `evt_…` or `out_…`
    pub id: String,
    /// Whose it is.
    pub connection: ConnectionId,
    /// `delivery`, `event` or `command`
    pub what: String,
    /// The event's or command's kind; of a delivery, how it came in.
    pub kind: String,
    /// `code: message`, or the JSON pointer and what is wrong there.
    pub reason: String,
    /// When it came or was made.
    pub at: patchbay_schemas::Timestamp,
    /// Which version of the connector read it last; of commands there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_by: Option<ReadBy>,
}

/// Where a page of dead letters ends. Their ids are of three kinds, so that time and id together give the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    /// `dlv_…`, `evt_…` or `out_…`
    pub id: String,
}

impl DeadLetter {
    /// Where a page that ends with it ends.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { at: self.at.as_millisecond(), id: self.id.clone() }
    }
}

/// What sort of thing stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The connector cannot deal with it.
    Delivery,
    /// It does not fit the schema.
    Event,
    /// It was given up.
    Command,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Event => "event",
            Self::Command => "command",
        }
    }
}

/// Which dead letters are wanted.
#[derive(Debug, Clone, Default)]
pub struct DeadFilter {
    /// Only of this connection.
    pub connection: Option<ConnectionId>,
    /// Only this sort.
    pub what: Option<What>,
    /// Only this kind of event or command: `lead.upsert`
    pub kind: Option<String>,
    /// Only whose reason begins so: `vendor.http_500`
    pub code: Option<String>,
    /// Only from this time on, milliseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Only before this time, milliseconds since 1970 UTC.
    pub until: Option<i64>,
}

impl DeadFilter {
    /// Conditions on the list, with their values after those that are there.
    fn sql(&self, values: &mut Vec<Value>) -> String {
        let mut sql = String::new();
        let mut and = |condition: &str, value: Value| {
            values.push(value);
            sql.push_str(&format!(" and {}", condition.replace('?', &format!("${}", values.len()))));
        };
        if let Some(it) = self.what {
            and("what = ?", it.as_str().into());
        }
        if let Some(it) = &self.kind {
            and("kind = ?", it.as_str().into());
        }
        if let Some(it) = &self.code {
            // Not `like`: a code holds underscores.
            and("strpos(reason, ?) = 1", it.as_str().into());
        }
        if let Some(it) = self.since {
            and("at >= ?", it.into());
        }
        if let Some(it) = self.until {
            and("at < ?", it.into());
        }
        sql
    }
}

/// What stopped, of one workspace. `{and}` is a further condition on all three.
const DEAD: &str = "select d.id, d.connection_id, 'delivery' as what, d.origin as kind, coalesce(d.reason, '') as reason, d.received_at as at, \
    d.read_version, d.read_digest \
    from deliveries d where d.workspace_id = $1 and d.outcome = 'dead'{and} \
    union all \
    select d.id, d.connection_id, 'event', d.kind, coalesce(d.reason, ''), d.received_at, o.read_version, o.read_digest from events d \
    join deliveries o on o.id = d.delivery_id where d.workspace_id = $1 and d.state = 'dead' and o.outcome <> 'dead'{and} \
    union all \
    select d.id, d.connection_id, 'command', d.kind, coalesce(d.reason, ''), d.created_at, null, null from outbox d \
    where d.workspace_id = $1 and d.state = 'dead'{and}";

impl Store {
    /// Dead letters of a workspace that are wanted, newest first, before a place in the list.
    ///
    /// An event is listed where its delivery lives on; the events of a dead delivery are told by the delivery.
    pub async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        filter: &DeadFilter,
        before: Option<Place>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let place = before.unwrap_or_else(|| Place { at: i64::MAX, id: String::new() });
        let mut values: Vec<Value> = vec![workspace.into(), place.at.into(), place.id.into(), limit.into()];
        let only = filter.connection.map_or("", |it| {
            values.push(it.into());
            " and d.connection_id = $5"
        });
        let dead = DEAD.replace("{and}", only);
        let further = filter.sql(&mut values);
        let further = if matches!(self.db, super::Db::Sqlite { .. }) { further.replace("strpos(", "instr(") } else { further };
        let sql = format!("select * from ({dead}) s where (at < $2 or (at = $2 and id < $3)){further} order by at desc, id desc limit $4");
        let rows = self.db.fetch(&sql, values).await?;
        Ok(rows.iter().map(dead_letter).collect::<sqlx::Result<_>>()?)
    }

    /// One dead letter: `dlv_…`, `evt_…` or `out_…`.
    pub async fn dead_letter(&self, workspace: WorkspaceId, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        let row = self.db.fetch_optional(&DEAD.replace("{and}", " and d.id = $2"), vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(dead_letter).transpose()?)
    }

    /// The delivery that an event came in.
    pub async fn delivery_of_event(
        &self,
        workspace: WorkspaceId,
        event: crate::ids::EventId,
    ) -> Result<Option<crate::ids::DeliveryId>, StoreError> {
        let sql = "select delivery_id from events where workspace_id = $1 and id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), event.into()]).await?;
        Ok(row.map(|it| it.opt_id(0)).transpose()?.flatten())
    }
}

fn dead_letter(row: &Record) -> sqlx::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.text(0)?,
        connection: row.id(1)?,
        what: row.text(2)?,
        kind: row.text(3)?,
        reason: row.text(4)?,
        at: timestamp(row.int(5)?),
        read_by: row.opt_text(6)?.zip(row.opt_text(7)?).map(|(version, digest)| ReadBy { version, digest }),
    })
}
