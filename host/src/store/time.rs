//! What is due and what is leased, when the clock was put back or forward.

use super::authorisations::NEVER;
use super::{Store, StoreError};

/// What must not lie further ahead than it did, by table and column: what is due at a time, and when a token was granted or refused, since only
/// what was asked after that speaks of it.
const AHEAD: [(&str, &str); 7] = [
    ("lanes", "due_at"),
    ("holds", "until"),
    ("quarantines", "until"),
    ("registrations", "due_at"),
    ("authorisations", "due_at"),
    ("authorisations", "granted_at"),
    ("authorisations", "forced_at"),
];
/// What one hub has until a time.
const LEASED: [&str; 6] = ["lanes", "polls", "streams", "matching", "authorisations", "upkeep"];

impl Store {
    /// Follows the clock, which was put back (less than zero) or forward by so many milliseconds. What this hub has on lease ends as long from
    /// now as it would have; what was put off, by whichever hub, waits no longer than it would have. Done twice, it waits less.
    pub async fn follow_clock(&self, hub: &str, by_ms: i64) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let prefix = format!("{hub}/");
        let length = i64::try_from(prefix.chars().count()).unwrap_or(0);
        let mut tx = self.db.begin().await?;
        for table in LEASED {
            let sql = format!(
                "update {table} set lease_until = lease_until + $1 \
                 where lease_until > 0 and substr(lease_token, 1, cast($3 as integer)) = $2"
            );
            tx.execute(&sql, vec![by_ms.into(), prefix.as_str().into(), length.into()]).await?;
        }
        // What comes due early after a clock was put forward is tried early, which harms nobody.
        for (table, column) in AHEAD.into_iter().filter(|_| by_ms < 0) {
            let sql = format!(
                "update {table} set {column} = case when {column} + $1 > $2 then {column} + $1 else $2 end \
                 where {column} > $2 and {column} <> $3"
            );
            tx.execute(&sql, vec![by_ms.into(), now.into(), NEVER.into()]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The newest id of the tables whose order is that of their ids. None: they are empty.
    pub(super) async fn newest_id(&self) -> Result<Option<u128>, StoreError> {
        let tables = ["deliveries", "events", "contacts", "interactions", "leads", "outbox", "attempts"];
        let each = tables.map(|it| format!("select max(id) from {it}")).join(" union all ");
        let rows = self.db.fetch(&each, Vec::new()).await?;
        let ids = rows.iter().map(|it| it.opt_text(0)).collect::<sqlx::Result<Vec<_>>>()?;
        Ok(ids.iter().flatten().filter_map(|it| crate::ids::number(it)).max())
    }
}
