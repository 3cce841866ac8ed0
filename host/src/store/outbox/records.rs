//! Records that leads have in a sink, where these are not one to one: the sink merged some, or two people shared one.

use serde_json::Value;

use crate::ids::{ConnectionId, LeadId};
use crate::store::people::places;
use crate::store::{self, Record, Store, StoreError};

impl Store {
    /// Leads whose records the sink merged have the one that is left from now on. What was written into each of them stays known.
    pub async fn records_merged(&self, connection: ConnectionId, into: &str, records: &[String]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let list = places(3, records.len());
        let sql = format!(
            "select local_id, remote_id, details, created_at from external_refs where connection_id = $1 and kind = 'lead' \
             and (remote_id = $2 or remote_id in ({list})) order by created_at, local_id"
        );
        let mut values: Vec<store::Value> = vec![connection.into(), into.into()];
        values.extend(records.iter().map(|it| store::Value::from(it.as_str())));
        let rows = tx.fetch(&sql, values).await?;
        let details = |row: &Record| -> sqlx::Result<Value> { Ok(serde_json::from_str(&row.text(2)?).unwrap_or_default()) };
        let is_left = |row: &Record| row.text(1).is_ok_and(|it| it == into);
        let address =
            rows.iter().find(|it| is_left(it)).map(details).transpose()?.and_then(|it| it.get("url").cloned()).unwrap_or_default();
        // After whoever had that record before: they keep it where people are parted again.
        let mut since = self.clock.now_ms();
        for row in rows.iter().filter(|it| is_left(it)) {
            since = since.max(row.int(3)? + 1);
        }
        for row in rows.iter().filter(|it| !is_left(it)) {
            let mut details = details(row)?;
            if let Some(url) = details.get_mut("url") {
                *url = address.clone();
            }
            let sql = "update external_refs set remote_id = $3, details = $4, created_at = $5 where connection_id = $1 and kind = 'lead' and local_id = $2";
            tx.execute(sql, vec![connection.into(), row.text(0)?.into(), into.into(), details.to_string().into(), since.into()]).await?;
        }
        // What they gave up to one another once is theirs again.
        for row in &rows {
            let sql = "delete from external_refs where connection_id = $1 and kind = 'parted' and local_id = $2";
            tx.execute(sql, vec![connection.into(), row.text(0)?.into()]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// True for a lead that shared a record with another person's and gave it up when the two were parted: it gets one of its own.
    pub async fn gave_up_record(&self, connection: ConnectionId, lead: LeadId) -> Result<bool, StoreError> {
        let sql = "select 1 from external_refs where connection_id = $1 and kind = 'parted' and local_id = $2";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), lead.into()]).await?.is_some())
    }
}
