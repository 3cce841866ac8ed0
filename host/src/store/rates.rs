//! What was used of vendors' rate limits, where it must outlive the process or be seen by other hubs.

use super::{Store, StoreError};

impl Store {
    /// Takes a turn from a bucket as `take` decides it: from when it will have run empty to the same with one request more, and the wait.
    pub async fn take_from_bucket(
        &self,
        name: &str,
        take: impl Fn(i64) -> Result<(i64, i64), i64>,
    ) -> Result<Result<i64, i64>, StoreError> {
        let mut tx = self.db.begin().await?;
        let empty_at = self.locked(&mut tx, name, 0).await?;
        let (filled, wait) = match take(empty_at) {
            Ok(taken) => taken,
            Err(wait) => return Ok(Err(wait)),
        };
        tx.execute("update rate_limits set used = $2 where name = $1", vec![name.into(), filled.into()]).await?;
        tx.commit().await?;
        Ok(Ok(wait))
    }

    /// Takes up to `portion` requests of a day's quota; how many there were. A new day begins with none used.
    pub async fn take_from_day(&self, name: &str, day: i64, portion: i64, quota: i64) -> Result<i64, StoreError> {
        let mut tx = self.db.begin().await?;
        let used = self.locked(&mut tx, name, day).await?;
        let taken = portion.min(quota - used).max(0);
        if taken == 0 {
            return Ok(0);
        }
        tx.execute(
            "update rate_limits set used = $2, day = case when day > $3 then day else $3 end where name = $1",
            vec![name.into(), (used + taken).into(), day.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// What was used on that day, with the row held until the end of the transaction.
    async fn locked(&self, tx: &mut super::Tx, name: &str, day: i64) -> sqlx::Result<i64> {
        let sql = "insert into rate_limits (name, day, used) values ($1, $2, 0) on conflict (name) do nothing";
        tx.execute(sql, vec![name.into(), day.into()]).await?;
        let sql = "select day, used from rate_limits where name = $1";
        let sql = if tx.has_company() { format!("{sql} for update") } else { sql.to_owned() };
        let rows = tx.fetch(&sql, vec![name.into()]).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        // A clock that was moved back must not give the same day's quota twice.
        Ok(if row.int(0)? < day { 0 } else { row.int(1)? })
    }
}
