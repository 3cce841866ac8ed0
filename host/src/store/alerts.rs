//! Alerts: what was noticed, since when, and whether it was told.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;

use super::db::Type::{Int, Text};
use super::{Record, Store, StoreError};
use crate::clock::timestamp;
use crate::ids::{AlertId, AttemptId, ConnectionId, WorkspaceId};
use crate::rules::alert::{Kind, Talk};

/// An alert that is open, or ended and is not told to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Alert {
    /// `alr_…`
    pub id: AlertId,
    /// Whose it is.
    pub connection: ConnectionId,
    /// `authorisation`, `quarantined`, `down`, `waiting`, `failing`, `unregistered` or `silent`
    pub kind: String,
    /// Since when.
    pub since: Timestamp,
    /// What was found, for people.
    pub reason: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str = "a.id, a.connection_id, a.kind, a.since, a.reason, a.ended_at";

impl Store {
    /// The open alerts of a workspace, oldest first.
    pub async fn alerts(&self, workspace: WorkspaceId, limit: i64) -> Result<Vec<Alert>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from alerts a join connections x on x.id = a.connection_id \
             where x.workspace_id = $1 and a.ended_at is null order by a.id limit $2"
        );
        let rows = self.db.fetch(&sql, vec![workspace.into(), limit.into()]).await?;
        Ok(rows.iter().map(alert).collect::<sqlx::Result<_>>()?)
    }

    /// The open alerts of all connections, for the hub itself.
    pub async fn all_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from alerts a where a.ended_at is null order by a.id"), Vec::new()).await?;
        Ok(rows.iter().map(alert).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down which alerts of a connection are due: new ones begin, others end.
    pub async fn set_alerts(&self, connection: ConnectionId, due: &[(Kind, String)]) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        for kind in Kind::ALL {
            let place = || vec![connection.into(), kind.as_str().into()];
            if let Some((_, reason)) = due.iter().find(|it| it.0 == kind) {
                let sql = "insert into alerts (id, connection_id, kind, since, reason, told) values ($3, $1, $2, $4, $5, 0) \
                           on conflict (connection_id, kind) where ended_at is null do update set reason = excluded.reason";
                let mut values = place();
                values.extend([self.ids.next::<crate::ids::Alert>().into(), now.into(), reason.as_str().into()]);
                tx.execute(sql, values).await?;
            } else {
                let mut values = place();
                values.push(now.into());
                tx.execute("update alerts set ended_at = $3 where connection_id = $1 and kind = $2 and ended_at is null", values).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// What was not told yet, oldest first.
    pub async fn untold_alerts(&self, limit: i64) -> Result<Vec<Alert>, StoreError> {
        let sql =
            format!("select {COLUMNS} from alerts a where a.told = 0 or (a.told = 1 and a.ended_at is not null) order by a.id limit $1");
        let rows = self.db.fetch(&sql, vec![limit.into()]).await?;
        Ok(rows.iter().map(alert).collect::<sqlx::Result<_>>()?)
    }

    /// It was told as it is; one that is told to have ended goes away.
    pub async fn told(&self, alert: &Alert) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = if alert.ended_at.is_some() {
            "delete from alerts where id = $1"
        } else {
            "update alerts set told = 1 where id = $1 and told = 0"
        };
        tx.execute(sql, vec![alert.id.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// When connections talked, as far as it was seen.
    pub async fn talks(&self) -> Result<HashMap<ConnectionId, Talk>, StoreError> {
        let rows = self.db.fetch("select connection_id, received, talked_at, longest_ms, talks, looked_at from talks", Vec::new()).await?;
        Ok(rows.iter().map(talk).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down when connections talked.
    pub async fn set_talks(&self, talks: &HashMap<ConnectionId, Talk>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "insert into talks (connection_id, received, talked_at, longest_ms, talks, looked_at) {rows} \
                   on conflict (connection_id) do update set received = excluded.received, talked_at = excluded.talked_at, \
                   longest_ms = excluded.longest_ms, talks = excluded.talks, looked_at = excluded.looked_at";
        let rows = talks.iter().map(|(connection, it)| {
            let numbers = [it.received, it.talked_at, it.longest_ms, it.talks, it.looked_at];
            std::iter::once((*connection).into()).chain(numbers.map(Into::into)).collect()
        });
        tx.queue(sql, &[Text, Int, Int, Int, Int, Int], rows.collect());
        tx.commit().await?;
        Ok(())
    }

    /// Tries since then, and those of them that failed, by connection.
    pub async fn tries_since(&self, since: i64) -> Result<HashMap<ConnectionId, (i64, i64)>, StoreError> {
        // Ids begin with their time, and the primary key has them in order.
        let first = AttemptId::of_number(u128::from(since.max(0).unsigned_abs()) << 80);
        let sql = "select o.connection_id, count(*), sum(case when a.result = 'delivered' then 0 else 1 end) \
                   from attempts a join outbox o on o.id = a.outbox_id where a.id >= $1 group by 1";
        let sql = sql.replace(
            "sum(case when a.result = 'delivered' then 0 else 1 end)",
            "cast(sum(case when a.result = 'delivered' then 0 else 1 end) as bigint)",
        );
        let rows = self.db.fetch(&sql, vec![first.into()]).await?;
        Ok(rows.iter().map(|it| Ok((it.id(0)?, (it.int(1)?, it.int(2)?)))).collect::<sqlx::Result<_>>()?)
    }
}

fn talk(row: &Record) -> sqlx::Result<(ConnectionId, Talk)> {
    let talk = Talk { received: row.int(1)?, talked_at: row.int(2)?, longest_ms: row.int(3)?, talks: row.int(4)?, looked_at: row.int(5)? };
    Ok((row.id(0)?, talk))
}

fn alert(row: &Record) -> sqlx::Result<Alert> {
    Ok(Alert {
        id: row.id(0)?,
        connection: row.id(1)?,
        kind: row.text(2)?,
        since: timestamp(row.int(3)?),
        reason: row.text(4)?,
        ended_at: row.opt_int(5)?.map(timestamp),
    })
}
