//! Versions of connectors that are left alone in a connection: what people see of it, and what a hub that starts goes on with.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;

use super::connections::next_revision;
use super::{Record, Store, StoreError};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::rules::quarantine::Quarantine;

/// A version that is left alone in a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// SHA-256 of its `.wasm`, hexadecimal.
    pub digest: String,
    /// As its manifest says.
    pub version: String,
    /// Since when and for how long.
    pub quarantine: Quarantine,
}

/// The same as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct QuarantineView {
    /// The version of the connector.
    pub version: String,
    /// Since when.
    pub since: Timestamp,
    /// It is not called before; then one call finds out.
    pub until: Timestamp,
    /// How often it was found no better.
    pub rounds: i64,
    /// `code: message` of what its last call ran into.
    pub reason: String,
}

impl From<Quarantined> for QuarantineView {
    fn from(it: Quarantined) -> Self {
        let Quarantined { version, quarantine: Quarantine { since, until, rounds, reason }, .. } = it;
        Self { version, since: timestamp(since), until: timestamp(until), rounds, reason }
    }
}

const COLUMNS: &str = "connection_id, digest, version, since, until, rounds, reason";

impl Store {
    /// The quarantine in a connection.
    pub async fn quarantine(&self, connection: ConnectionId) -> Result<Option<Quarantined>, StoreError> {
        let sql = format!("select {COLUMNS} from quarantines where connection_id = $1");
        let row = self.db.fetch_optional(&sql, vec![connection.into()]).await?;
        Ok(row.as_ref().map(quarantined).transpose()?.map(|it| it.1))
    }

    /// Every quarantine, for the hub's own metrics and alerts.
    pub async fn quarantines(&self) -> Result<HashMap<ConnectionId, Quarantined>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from quarantines"), Vec::new()).await?;
        Ok(rows.iter().map(quarantined).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down that a version is left alone in a connection.
    pub async fn put_quarantine(&self, connection: ConnectionId, found: &Quarantined) -> Result<(), StoreError> {
        let Quarantine { since, until, rounds, reason } = &found.quarantine;
        let mut tx = self.db.begin().await?;
        let sql = "insert into quarantines (connection_id, digest, version, since, until, rounds, reason) values ($1, $2, $3, $4, $5, $6, $7) \
                   on conflict (connection_id) do update set digest = excluded.digest, version = excluded.version, since = excluded.since, \
                   until = excluded.until, rounds = excluded.rounds, reason = excluded.reason";
        let (digest, version, reason) = (found.digest.as_str(), found.version.as_str(), reason.as_str());
        let times = [*since, *until, *rounds].map(Into::into);
        let values = [connection.into(), digest.into(), version.into()].into_iter().chain(times).chain([reason.into()]).collect();
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes down that nothing is left alone in a connection any more.
    pub async fn end_quarantine(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute("delete from quarantines where connection_id = $1", vec![connection.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends the quarantines of a connector in a workspace; every hub begins anew with these connections. How many there were.
    pub async fn release_connector(&self, workspace: WorkspaceId, connector: &str) -> Result<u64, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        // A changed connection is made ready anew by each hub, and finds no quarantine then.
        let sql = "update connections set revision = $3, updated_at = $4 where workspace_id = $1 and connector = $2 \
                   and id in (select connection_id from quarantines)";
        let values = vec![workspace.into(), connector.into(), revision.into(), now.into()];
        let released = tx.execute(sql, values).await?;
        let sql = "delete from quarantines where connection_id in (select id from connections where workspace_id = $1 and connector = $2)";
        tx.execute(sql, vec![workspace.into(), connector.into()]).await?;
        tx.commit().await?;
        Ok(released)
    }
}

fn quarantined(row: &Record) -> sqlx::Result<(ConnectionId, Quarantined)> {
    let quarantine = Quarantine { since: row.int(3)?, until: row.int(4)?, rounds: row.int(5)?, reason: row.text(6)? };
    Ok((row.id(0)?, Quarantined { digest: row.text(1)?, version: row.text(2)?, quarantine }))
}
