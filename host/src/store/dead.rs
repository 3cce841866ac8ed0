//! Dead letters: what stopped, with its reason. Deliveries, events and outbox rows in one list.

use serde::Serialize;

use super::{Store, StoreError, Value};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, WorkspaceId};

/// What stopped.
#[derive(Debug, Clone, Serialize)]
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
}

impl Store {
    /// Dead letters of a workspace, newest first, older than `before` (milliseconds since 1970 UTC), of one connection where it is given.
    ///
    /// An event is listed where its delivery lives on; the events of a dead delivery are told by the delivery.
    pub async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        connection: Option<ConnectionId>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut values: Vec<Value> = vec![workspace.into(), before.unwrap_or(i64::MAX).into()];
        let only = connection.map_or("", |it| {
            values.push(it.into());
            " and d.connection_id = $3"
        });
        values.push(limit.into());
        let sql = format!(
            "select d.id, d.connection_id, 'delivery' as what, d.origin as kind, coalesce(d.reason, '') as reason, d.received_at as at \
             from deliveries d where d.workspace_id = $1 and d.received_at < $2 and d.outcome = 'dead'{only} \
             union all \
             select d.id, d.connection_id, 'event', d.kind, coalesce(d.reason, ''), d.received_at from events d \
             join deliveries o on o.id = d.delivery_id where d.workspace_id = $1 and d.received_at < $2 and d.state = 'dead' and o.outcome <> 'dead'{only} \
             union all \
             select d.id, d.connection_id, 'command', d.kind, coalesce(d.reason, ''), d.created_at from outbox d \
             where d.workspace_id = $1 and d.created_at < $2 and d.state = 'dead'{only} \
             order by 6 desc, 1 desc limit ${}",
            values.len()
        );
        let rows = self.db.fetch(&sql, values).await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    id: row.text(0)?,
                    connection: row.id(1)?,
                    what: row.text(2)?,
                    kind: row.text(3)?,
                    reason: row.text(4)?,
                    at: timestamp(row.int(5)?),
                })
            })
            .collect()
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
