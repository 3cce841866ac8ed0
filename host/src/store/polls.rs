//! Whose turn it is to ask a vendor: several hubs may share one database, and two that ask at once would each move the cursor.

use super::{Store, StoreError, Tx};
use crate::ids::ConnectionId;
use crate::rules::ingest::{Cursor, Feed};

impl Store {
    /// Takes the turn to poll a connection, or keeps it, for so many milliseconds from now. False: somebody else has it.
    pub async fn hold_poll(&self, connection: ConnectionId, token: &str, lease_ms: i64) -> Result<bool, StoreError> {
        self.take_turn("polls", connection, token, lease_ms).await
    }

    /// True while some hub has the turn to poll a connection.
    pub async fn is_polled(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        let sql = "select 1 from polls where connection_id = $1 and lease_until > $2";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), self.clock.now_ms().into()]).await?.is_some())
    }

    /// Takes the turn at something that one hub at a time does for a connection, or keeps it.
    pub(super) async fn take_turn(&self, table: &str, connection: ConnectionId, token: &str, lease_ms: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        // A look first, so that waiting for one's turn costs no write.
        let sql = format!("select 1 from {table} where connection_id = $1 and lease_until > $2 and lease_token <> $3");
        if self.db.fetch_optional(&sql, vec![connection.into(), now.into(), token.into()]).await?.is_some() {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let sql = format!(
            "insert into {table} (connection_id, lease_token, lease_until) values ($1, $2, $3) on conflict (connection_id) do update \
             set lease_token = excluded.lease_token, lease_until = excluded.lease_until \
             where {table}.lease_until <= $4 or {table}.lease_token = excluded.lease_token"
        );
        let touched = tx.execute(&sql, vec![connection.into(), token.into(), (now + lease_ms).into(), now.into()]).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }

    /// Gives the turn back, where it is still ours.
    pub async fn release_poll(&self, connection: ConnectionId, token: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute("delete from polls where connection_id = $1 and lease_token = $2", vec![connection.into(), token.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Where polling or an import goes on, when a page brought no events. False: somebody else has the turn, and nothing was written.
    pub async fn set_cursor(&self, connection: ConnectionId, cursor: &Cursor) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let written = write_cursor(&mut tx, connection, cursor, self.clock.now_ms()).await?;
        tx.commit().await?;
        Ok(written)
    }
}

/// Moves the cursor, unless somebody else took the turn meanwhile.
pub(super) async fn write_cursor(tx: &mut Tx, connection: ConnectionId, cursor: &Cursor, now: i64) -> sqlx::Result<bool> {
    let sql = "select 1 from polls where connection_id = $1 and lease_token = $2";
    // Nobody takes it between this look and the commit.
    let sql = if tx.has_company() { format!("{sql} for update") } else { sql.to_owned() };
    if tx.fetch(&sql, vec![connection.into(), cursor.lease.as_str().into()]).await?.is_empty() {
        return Ok(false);
    }
    match cursor.feed {
        Feed::News => {
            let sql = "update connections set cursor = $2 where id = $1";
            tx.execute(sql, vec![connection.into(), cursor.next.as_str().into()]).await?;
        }
        Feed::Import { last } => super::imports::go_on(tx, connection, &cursor.next, last, now).await?,
    }
    Ok(true)
}
