//! Field mappings of connections: every version stays, the last one holds.

use patchbay_schemas::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use super::connections::next_revision;
use super::{Record, Store, StoreError};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, WorkspaceId};

/// Most versions that are listed.
const MOST_VERSIONS: i64 = 100;

/// One version of a connection's field mapping.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MappingVersion {
    /// 1, 2, 3 …
    pub version: i64,
    /// The sink's fields with their rules.
    #[schema(value_type = Object)]
    pub document: Json,
    /// When it was saved.
    pub created_at: Timestamp,
}

impl Store {
    /// A connection's mapping: that version, or the last one.
    pub async fn mapping(&self, connection: ConnectionId, version: Option<i64>) -> Result<Option<MappingVersion>, StoreError> {
        let sql = "select version, document, created_at from mappings where connection_id = $1 and ($2 = 0 or version = $2) \
                   order by version desc limit 1";
        let row = self.db.fetch_optional(sql, vec![connection.into(), version.unwrap_or(0).into()]).await?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    /// The versions of a connection's mapping, newest first, 100 at most.
    pub async fn mapping_versions(&self, connection: ConnectionId) -> Result<Vec<MappingVersion>, StoreError> {
        let sql = "select version, document, created_at from mappings where connection_id = $1 order by version desc limit $2";
        let rows = self.db.fetch(sql, vec![connection.into(), MOST_VERSIONS.into()]).await?;
        Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
    }

    /// Saves a mapping as the next version of a connection, which running hubs notice.
    pub async fn add_mapping(&self, workspace: WorkspaceId, connection: ConnectionId, document: &Json) -> Result<i64, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let revision = next_revision(&mut tx).await?;
        // The row of the connection is written first: whoever saves at the same time waits for it, and gets the version after this one.
        let sql = "update connections set revision = $3, updated_at = $4 where workspace_id = $1 and id = $2 and state <> 'removed'";
        if tx.execute(sql, vec![workspace.into(), connection.into(), revision.into(), now.into()]).await? != 1 {
            return Err(StoreError::Gone("the connection"));
        }
        let sql = "insert into mappings (connection_id, version, document, created_at) \
                   select $1, coalesce(max(version), 0) + 1, $2, $3 from mappings where connection_id = $1 returning version";
        let rows = tx.fetch(sql, vec![connection.into(), document.to_string().into(), now.into()]).await?;
        let version = rows.first().map_or(Ok(0), |it| it.int(0))?;
        tx.commit().await?;
        Ok(version)
    }
}

fn read(row: &Record) -> sqlx::Result<MappingVersion> {
    Ok(MappingVersion { version: row.int(0)?, document: row.json(1)?, created_at: timestamp(row.int(2)?) })
}
