//! Connections to vendors that stay open: whose turn it is to hold one, and how it stands.

use std::collections::HashMap;

use patchbay_schemas::Timestamp;

use super::{Record, Store, StoreError};
use crate::clock::timestamp;
use crate::ids::ConnectionId;

/// How a stream stands, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct StreamView {
    /// `connected`, or `waiting` for the next attempt.
    pub state: &'static str,
    /// Since when it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When a frame came in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_at: Option<Timestamp>,
    /// How often it was connected anew.
    pub reconnects: i64,
    /// `code: message` of what ended it last, or kept it from being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Store {
    /// Takes the turn to hold the stream of a connection, or keeps it, for so many milliseconds from now. False: somebody else has it.
    pub async fn hold_stream(&self, connection: ConnectionId, token: &str, lease_ms: i64) -> Result<bool, StoreError> {
        self.take_turn("streams", connection, token, lease_ms).await
    }

    /// Gives the turn back, where it is still ours.
    pub async fn release_stream(&self, connection: ConnectionId, token: &str) -> Result<(), StoreError> {
        let sql = "update streams set lease_until = 0, connected_since = null where connection_id = $1 and lease_token = $2";
        self.write_stream(sql, vec![connection.into(), token.into()]).await
    }

    /// The stream stands.
    pub async fn stream_connected(&self, connection: ConnectionId, token: &str) -> Result<(), StoreError> {
        let sql =
            "update streams set connected_since = $3, connects = connects + 1, reason = null where connection_id = $1 and lease_token = $2";
        self.write_stream(sql, vec![connection.into(), token.into(), self.clock.now_ms().into()]).await
    }

    /// When a frame came in last, milliseconds.
    pub async fn stream_heard(&self, connection: ConnectionId, token: &str, at: i64) -> Result<(), StoreError> {
        let sql = "update streams set last_frame_at = $3 where connection_id = $1 and lease_token = $2";
        self.write_stream(sql, vec![connection.into(), token.into(), at.into()]).await
    }

    /// The stream does not stand, and why.
    pub async fn stream_lost(&self, connection: ConnectionId, token: &str, reason: &str) -> Result<(), StoreError> {
        let sql = "update streams set connected_since = null, reason = $3 where connection_id = $1 and lease_token = $2";
        self.write_stream(sql, vec![connection.into(), token.into(), reason.into()]).await
    }

    async fn write_stream(&self, sql: &str, values: Vec<super::Value>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How the stream of a connection stands. None: no hub ever held one.
    pub async fn stream(&self, connection: ConnectionId) -> Result<Option<StreamView>, StoreError> {
        Ok(self.streams_where(" where connection_id = $1", vec![connection.into()]).await?.remove(&connection))
    }

    /// How all streams stand.
    pub async fn streams(&self) -> Result<HashMap<ConnectionId, StreamView>, StoreError> {
        self.streams_where("", Vec::new()).await
    }

    async fn streams_where(&self, which: &str, values: Vec<super::Value>) -> Result<HashMap<ConnectionId, StreamView>, StoreError> {
        let now = self.clock.now_ms();
        let sql = format!("select connection_id, lease_until, connected_since, last_frame_at, connects, reason from streams{which}");
        let rows = self.db.fetch(&sql, values).await?;
        Ok(rows.iter().map(|row| Ok((row.id(0)?, view(row, now)?))).collect::<sqlx::Result<_>>()?)
    }
}

fn view(row: &Record, now: i64) -> sqlx::Result<StreamView> {
    // What a hub held that died is no connection, though it could not say so.
    let since = row.opt_int(2)?.filter(|_| row.int(1).is_ok_and(|it| it > now));
    Ok(StreamView {
        state: if since.is_some() { "connected" } else { "waiting" },
        since: since.map(timestamp),
        last_frame_at: row.opt_int(3)?.map(timestamp),
        reconnects: (row.int(4)? - 1).max(0),
        reason: row.opt_text(5)?,
    })
}
