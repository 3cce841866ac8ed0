//! What connectors remember.

use super::{Store, StoreError};
use crate::ids::ConnectionId;
use crate::plugin::state::Expected;

impl Store {
    /// The value of a key, where there is one that has not expired.
    pub async fn state_get(&self, connection: ConnectionId, key: &str, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select value from connector_state where connection_id = $1 and key = $2 and (expires_at is null or expires_at > $3)";
        let row = self.db.fetch_optional(sql, vec![connection.into(), key.into(), now.into()]).await?;
        Ok(row.map(|it| it.opt_bytes(0)).transpose()?.flatten())
    }

    /// Replaces `expected` by `value` where `expected` stands. False: something else stood there. Expired values are removed on the way.
    #[expect(clippy::too_many_arguments, reason = "one operation of the contract with its quota")]
    pub async fn state_replace(
        &self,
        connection: ConnectionId,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        expires_at: Option<i64>,
        now: i64,
        quota: u32,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        if tx.has_company() {
            // Two hubs must not both find what they expect.
            tx.fetch("select pg_advisory_xact_lock(hashtextextended($1, 0))", vec![connection.into()]).await?;
        }
        tx.execute("delete from connector_state where connection_id = $1 and expires_at <= $2", vec![connection.into(), now.into()])
            .await?;
        let row = tx
            .fetch("select value from connector_state where connection_id = $1 and key = $2", vec![connection.into(), key.into()])
            .await?;
        let current = row.first().map(|it| it.opt_bytes(0)).transpose()?.flatten();
        if !expected.matches(current.as_deref()) {
            return Ok(false);
        }
        match value {
            Some(value) => {
                let sql = "select cast(coalesce(sum(length(key) + length(value)), 0) as bigint) from connector_state \
                           where connection_id = $1 and key <> $2";
                let others =
                    tx.fetch(sql, vec![connection.into(), key.into()]).await?.first().map(|it| it.int(0)).transpose()?.unwrap_or(0);
                let size = i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX);
                if others.saturating_add(size) > i64::from(quota) {
                    return Err(StoreError::StateQuota { quota });
                }
                let sql = "insert into connector_state (connection_id, key, value, expires_at) values ($1, $2, $3, $4) \
                           on conflict (connection_id, key) do update set value = excluded.value, expires_at = excluded.expires_at";
                tx.execute(sql, vec![connection.into(), key.into(), value.to_vec().into(), expires_at.into()]).await?;
            }
            None => {
                tx.execute("delete from connector_state where connection_id = $1 and key = $2", vec![connection.into(), key.into()])
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }
}
