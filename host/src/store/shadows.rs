//! What became of the last other version of a connector that a hub noticed: what people see of it.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Record, Store, StoreError};
use crate::clock::timestamp;
use crate::ids::ConnectionId;
use crate::rules::ingest::ReadBy;
use crate::shadow::Seen;

/// Another version of a connector, and whether it took over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ShadowView {
    /// The version.
    #[serde(flatten)]
    pub read_by: ReadBy,
    /// Whether it took over.
    pub verdict: Verdict,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When that was decided.
    pub at: Timestamp,
    /// What it reads of what came in last.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Whether a version took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It did.
    Taken,
    /// It did not: the former version goes on.
    Refused,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

const COLUMNS: &str = "connection_id, version, digest, verdict, reason, at, seen";

impl Store {
    /// The last other version in a connection.
    pub async fn shadow(&self, connection: ConnectionId) -> Result<Option<ShadowView>, StoreError> {
        let sql = format!("select {COLUMNS} from shadows where connection_id = $1");
        let row = self.db.fetch_optional(&sql, vec![connection.into()]).await?;
        Ok(row.as_ref().map(shadow).transpose()?.map(|it| it.1))
    }

    /// The same of every connection.
    pub async fn shadows(&self) -> Result<HashMap<ConnectionId, ShadowView>, StoreError> {
        let rows = self.db.fetch(&format!("select {COLUMNS} from shadows"), Vec::new()).await?;
        Ok(rows.iter().map(shadow).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down what became of another version in a connection.
    pub async fn put_shadow(&self, connection: ConnectionId, it: &ShadowView) -> Result<(), StoreError> {
        let ReadBy { version, digest } = &it.read_by;
        let seen = serde_json::to_string(&it.seen).expect("numbers and texts are JSON");
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "insert into shadows ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) on conflict (connection_id) do update set \
             version = excluded.version, digest = excluded.digest, verdict = excluded.verdict, reason = excluded.reason, at = excluded.at, \
             seen = excluded.seen"
        );
        let values = vec![
            connection.into(),
            version.as_str().into(),
            digest.as_str().into(),
            it.verdict.as_str().into(),
            it.reason.clone().into(),
            it.at.as_millisecond().into(),
            seen.into(),
        ];
        tx.execute(&sql, values).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Forgets a version that was refused in a connection: its file is gone.
    pub async fn end_shadow(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute("delete from shadows where connection_id = $1 and verdict = 'refused'", vec![connection.into()]).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn shadow(row: &Record) -> sqlx::Result<(ConnectionId, ShadowView)> {
    let verdict = if row.text(3)? == Verdict::Taken.as_str() { Verdict::Taken } else { Verdict::Refused };
    let read_by = ReadBy { version: row.text(1)?, digest: row.text(2)? };
    Ok((row.id(0)?, ShadowView { read_by, verdict, reason: row.opt_text(4)?, at: timestamp(row.int(5)?), seen: row.json(6)? }))
}
