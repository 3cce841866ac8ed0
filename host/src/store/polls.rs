//! Whose turn it is to ask a vendor: several hubs may share one database, and two that ask at once would each move the cursor.

use super::{Store, StoreError, Tx};
use crate::ids::ConnectionId;
use crate::rules::ingest::Cursor;

impl Store {
    /// Takes the turn to poll a connection, or keeps it, for so many milliseconds from now. False: somebody else has it.
    pub async fn hold_poll(&self, connection: ConnectionId, token: &str, lease_ms: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        // A look first, so that waiting for one's turn costs no write.
        let sql = "select 1 from polls where connection_id = $1 and lease_until > $2 and lease_token <> $3";
        if self.db.fetch_optional(sql, vec![connection.into(), now.into(), token.into()]).await?.is_some() {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let sql = "insert into polls (connection_id, lease_token, lease_until) values ($1, $2, $3) on conflict (connection_id) do update \
                   set lease_token = excluded.lease_token, lease_until = excluded.lease_until \
                   where polls.lease_until <= $4 or polls.lease_token = excluded.lease_token";
        let touched = tx.execute(sql, vec![connection.into(), token.into(), (now + lease_ms).into(), now.into()]).await?;
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

    /// Where polling goes on, when a page brought no events. False: somebody else has the turn, and nothing was written.
    pub async fn set_cursor(&self, connection: ConnectionId, cursor: &Cursor) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let written = write_cursor(&mut tx, connection, cursor).await?;
        tx.commit().await?;
        Ok(written)
    }
}

/// Moves the cursor, unless somebody else took the turn meanwhile.
pub(super) async fn write_cursor(tx: &mut Tx, connection: ConnectionId, cursor: &Cursor) -> sqlx::Result<bool> {
    let sql = "select 1 from polls where connection_id = $1 and lease_token = $2";
    // Nobody takes it between this look and the commit.
    let sql = if tx.has_company() { format!("{sql} for update") } else { sql.to_owned() };
    if tx.fetch(&sql, vec![connection.into(), cursor.lease.as_str().into()]).await?.is_empty() {
        return Ok(false);
    }
    let sql = "update connections set cursor = $2 where id = $1";
    tx.execute(sql, vec![connection.into(), cursor.next.as_str().into()]).await?;
    Ok(true)
}
