//! How rows of the outbox end, and what becomes of their lanes.

use super::{End, Lane, Reference, Release, Told, Tried};
use crate::ids::{AttemptId, ConnectionId};
use crate::store::counters::{self, Ended};
use crate::store::{Store, StoreError, Tx, sayings};

/// Gives a lane back.
const FREE: &str = "update lanes set lease_until = 0, lease_token = null, due_at = $3 where connection_id = $1 and lane = $2";

impl Store {
    /// Writes down how tries ended, and what becomes of the lane; where nothing does, the lease begins anew. False: the lease was lost to another worker, and nothing was written.
    pub async fn finish(&self, lane: &Lane, tried: &[Tried], release: Option<Release>, shard: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        if tx.has_company() {
            // Before the lane, as everybody takes them.
            for told in tried.iter().filter_map(|it| it.end.told()) {
                tx.fetch("select id from leads where id = $1 for update", vec![told.lead.into()]).await?;
            }
        }
        let sql = "select 1 from lanes where connection_id = $1 and lane = $2 and lease_token = $3";
        let sql = if tx.has_company() { format!("{sql} for update") } else { sql.to_owned() };
        if tx.fetch(&sql, vec![lane.connection.into(), lane.lane.as_str().into(), lane.token.as_str().into()]).await?.is_empty() {
            return Ok(false);
        }
        let mut sums = [(Ended::Delivered, 0), (Ended::Superseded, 0), (Ended::Dead, 0)];
        for it in tried {
            if let Some(ended) = self.write_try(&mut tx, lane, it, now).await? {
                sums.iter_mut().filter(|(kind, _)| *kind == ended).for_each(|(_, count)| *count += 1);
            }
        }
        self.release(&mut tx, lane, release, now).await?;
        for (ended, count) in sums.into_iter().filter(|(_, count)| *count > 0) {
            counters::ended(&mut tx, lane.connection, ended, count, shard).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn write_try(&self, tx: &mut Tx, lane: &Lane, tried: &Tried, now: i64) -> Result<Option<Ended>, StoreError> {
        let (state, reason, ended) = match &tried.end {
            End::Delivered { reference, told } => {
                if let Some(reference) = reference {
                    put_reference(tx, lane.connection, reference, now).await?;
                }
                if let Some(told) = told {
                    self.write_told(tx, lane, told).await?;
                }
                ("delivered", None, Some(Ended::Delivered))
            }
            End::Superseded => ("superseded", None, Some(Ended::Superseded)),
            End::Failed { reason, .. } => ("pending", Some(reason.clone()), None),
            End::Dead { reason } => ("dead", Some(reason.clone()), Some(Ended::Dead)),
        };
        let sql = "update outbox set state = $2, reason = $3, attempts = attempts + $4, finished_at = $5, failures = coalesce($6, failures) \
                   where id = $1 and state = 'pending'";
        let attempts = i64::from(!matches!(tried.end, End::Superseded));
        let finished = ended.map(|_| now);
        let failures = if let End::Failed { failures, .. } = &tried.end { Some(*failures) } else { None };
        let values = vec![tried.id.into(), state.into(), reason.clone().into(), attempts.into(), finished.into(), failures.into()];
        if tx.execute(sql, values).await? != 1 {
            return Err(StoreError::Gone("the row of the outbox"));
        }
        let result = match &tried.end {
            End::Superseded => return Ok(ended),
            End::Delivered { .. } => "delivered",
            End::Failed { verdict, .. } => verdict,
            End::Dead { .. } => "dead",
        };
        let (code, message) =
            reason.as_deref().map_or((None, None), |it| it.split_once(": ").map_or((Some(it), None), |(a, b)| (Some(a), Some(b))));
        let sql = "insert into attempts (id, outbox_id, at, took_ms, result, code, message) values ($1, $2, $3, $4, $5, $6, $7)";
        let id: AttemptId = self.ids.next();
        let values = vec![id.into(), tried.id.into(), tried.at.into(), tried.took_ms.into(), result.into(), code.into(), message.into()];
        tx.execute(sql, values).await?;
        Ok(ended)
    }

    /// Notes what the sink's record shows. Where that is not certain, or the lead shows something else by now, it is written again: the sink itself may
    /// have changed it, and nobody asked it then.
    async fn write_told(&self, tx: &mut Tx, lane: &Lane, told: &Told) -> Result<(), StoreError> {
        if !sayings::write_told(tx, lane.connection, told).await? {
            self.upsert_first(tx, lane, told.workspace).await?;
        }
        Ok(())
    }

    async fn release(&self, tx: &mut Tx, lane: &Lane, release: Option<Release>, now: i64) -> Result<(), StoreError> {
        let place = || vec![lane.connection.into(), lane.lane.as_str().into()];
        let free = |due_at: i64| {
            let mut values = place();
            values.push(due_at.into());
            values
        };
        match release {
            None => {
                // The next row has the whole lease before it.
                let mut values = place();
                values.push((now + lane.lease_ms).into());
                tx.execute("update lanes set lease_until = $3 where connection_id = $1 and lane = $2", values).await?;
            }
            Some(Release::Done) => {
                let mut values = place();
                values.push(lane.enqueued.into());
                let cleared = tx.execute("delete from lanes where connection_id = $1 and lane = $2 and enqueued = $3", values).await?;
                if cleared == 0 {
                    tx.execute(FREE, free(now)).await?;
                }
            }
            Some(Release::More) => {
                tx.execute(FREE, free(now)).await?;
            }
            Some(Release::Later { due_at }) => {
                tx.execute(FREE, free(due_at)).await?;
            }
        }
        Ok(())
    }
}

async fn put_reference(tx: &mut Tx, connection: ConnectionId, it: &Reference, now: i64) -> sqlx::Result<()> {
    let sql = "insert into external_refs (connection_id, kind, local_id, remote_id, details, created_at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (connection_id, kind, local_id) do update set remote_id = excluded.remote_id, details = excluded.details, written = 1, \
               created_at = case when external_refs.remote_id = excluded.remote_id then external_refs.created_at else excluded.created_at end";
    let values = vec![
        connection.into(),
        it.kind.into(),
        it.local.as_str().into(),
        it.remote.as_str().into(),
        it.details.as_str().into(),
        now.into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}
