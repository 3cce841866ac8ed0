//! How rows of the outbox end, and what becomes of their lanes.

use std::collections::BTreeMap;

use super::answers::tell;
use super::{End, Lane, Moved, Reference, Release, Tried};
use crate::ids::{AttemptId, ConnectionId, LeadId};
use crate::rules::conflict::Sayings;
use crate::rules::ingest::NewStatus;
use crate::store::counters::Ends;
use crate::store::db::Type::{Int, Text};
use crate::store::{Store, StoreError, Tx, Value, sayings};

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
        let mut written = Written::default();
        for it in tried {
            self.end(&mut tx, lane, it, now, &mut written).await?;
        }
        self.release(&mut tx, lane, release, now).await?;
        // Last, so that all of it goes with the commit.
        written.queue(&mut tx, lane.connection, shard, now);
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a row, and notes what its try left behind.
    async fn end(&self, tx: &mut Tx, lane: &Lane, tried: &Tried, now: i64, written: &mut Written) -> Result<(), StoreError> {
        let Outcome { state, result, reason, failures } = outcome(&tried.end, &mut written.ends);
        let sql = "update outbox set state = $2, reason = $3, attempts = attempts + $4, finished_at = $5, failures = coalesce($6, failures) \
                   where id = $1 and state = 'pending'";
        let (attempts, finished) = (i64::from(result.is_some()), (state != "pending").then_some(now));
        let values = vec![tried.id.into(), state.into(), reason.into(), attempts.into(), finished.into(), failures.into()];
        if tx.execute(sql, values).await? != 1 {
            return Err(StoreError::Gone("the row of the outbox"));
        }
        if let Some(result) = result {
            let (code, message) =
                reason.map_or((None, None), |it| it.split_once(": ").map_or((Some(it), None), |(a, b)| (Some(a), Some(b))));
            let id: AttemptId = self.ids.next();
            let values = [id.into(), tried.id.into(), tried.at.into(), tried.took_ms.into(), result.into(), code.into(), message.into()];
            written.attempts.push(values.into());
        }
        written.became.extend(self.became(tx, lane, tried, now).await?);
        if let End::Delivered { reference, told } = &tried.end {
            written.references.extend(reference.as_ref().map(|it| ((it.kind, it.local.clone()), row(lane.connection, it, now))));
            if let Some(told) = told {
                let (says, agrees) = sayings::told(tx, lane.connection, told).await?;
                written.sayings.extend(says.map(|it| ((told.lead, lane.connection.to_string()), it)));
                if let Some(reference) = reference.as_ref().filter(|_| told.moved != Moved::default()) {
                    self.hear_moved(tx, lane.connection, told, &reference.remote).await?;
                }
                // The sink itself may have changed it, and nobody asked it then.
                if !agrees {
                    self.upsert_first(tx, lane, told.workspace).await?;
                }
            }
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

/// How a row ended, as it is written down.
struct Outcome<'a> {
    state: &'static str,
    /// Of the try; none: nothing was tried.
    result: Option<&'static str>,
    /// `code: message`
    reason: Option<&'a str>,
    /// None: as before.
    failures: Option<i64>,
}

fn outcome<'a>(end: &'a End, ends: &mut Ends) -> Outcome<'a> {
    let over = |state, result, reason| Outcome { state, result, reason, failures: None };
    match end {
        End::Delivered { .. } => {
            ends.delivered += 1;
            over("delivered", Some("delivered"), None)
        }
        End::Superseded => {
            ends.superseded += 1;
            over("superseded", None, None)
        }
        End::Failed { verdict, failures, reason } => {
            Outcome { state: "pending", result: Some(verdict), reason: Some(reason), failures: Some(*failures) }
        }
        End::Dead { reason } => {
            ends.dead += 1;
            over("dead", Some("dead"), Some(reason))
        }
    }
}

/// What tries left behind, beside their rows and their lane.
#[derive(Default)]
struct Written {
    ends: Ends,
    attempts: Vec<Vec<Value>>,
    /// By kind and our id: what was written twice is where it was written last.
    references: BTreeMap<(&'static str, String), Vec<Value>>,
    sayings: BTreeMap<(LeadId, String), Sayings>,
    became: Vec<NewStatus>,
}

impl Written {
    /// Also what has no rows, so that the text is the same every time.
    fn queue(self, tx: &mut Tx, connection: ConnectionId, shard: i64, now: i64) {
        let sql = "insert into attempts (id, outbox_id, at, took_ms, result, code, message) {rows}";
        tx.queue(sql, &[Text, Text, Int, Int, Text, Text, Text], self.attempts);
        let sql = "with k(connection_id, kind, local_id, remote_id, details, created_at) as ({rows}) \
                   insert into external_refs (connection_id, kind, local_id, remote_id, details, created_at) \
                   select connection_id, kind, local_id, remote_id, details, created_at from k where true \
                   on conflict (connection_id, kind, local_id) do update set remote_id = excluded.remote_id, details = excluded.details, written = 1, \
                   created_at = case when external_refs.remote_id = excluded.remote_id then external_refs.created_at else excluded.created_at end";
        let revived = self.references.keys().filter(|it| it.0 == "lead").map(|it| vec![connection.into(), it.1.as_str().into()]).collect();
        tx.queue(sql, &[Text, Text, Text, Text, Text, Int], self.references.into_values().collect());
        // A record that is written anew is not deleted any more.
        let sql = "with k(connection_id, local_id) as ({rows}) delete from external_refs \
                   where (connection_id, kind, local_id) in (select connection_id, 'deleted', local_id from k)";
        tx.queue(sql, &[Text, Text], revived);
        sayings::write(tx, self.sayings);
        tell(tx, self.became, (connection, self.ends), shard, now);
    }
}

fn row(connection: ConnectionId, it: &Reference, now: i64) -> Vec<Value> {
    let place = [connection.into(), it.kind.into(), it.local.as_str().into()];
    place.into_iter().chain([it.remote.as_str().into(), it.details.as_str().into(), now.into()]).collect()
}
