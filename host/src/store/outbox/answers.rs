//! What became of answers that people wrote in a sink: the sink hears of it in the transaction in which the message ends.

use std::collections::BTreeMap;

use patchbay_schemas::MessageStatus;

use super::{End, Lane, Tried, report};
use crate::clock::timestamp;
use crate::ids::ConnectionId;
use crate::rules::ingest::{Became, Counted, NewStatus};
use crate::store::counters::{self, Ends};
use crate::store::{Store, Tx};

/// Most characters of a reason that a sink hears.
const LONGEST_REASON: usize = 1_000;

impl Lane {
    /// True where messages go out, or what became of them.
    #[must_use]
    pub fn is_conversation(&self) -> bool {
        self.lane.starts_with("cnv_")
    }
}

impl Store {
    /// What the sink whose people answered is to hear of a row that ended just now. None: nobody is to hear of it, or it has not ended.
    ///
    /// An answer with several files is several rows: it was sent when all of them were.
    pub(super) async fn became(&self, tx: &mut Tx, lane: &Lane, tried: &Tried, now: i64) -> sqlx::Result<Option<NewStatus>> {
        let (status, error) = match &tried.end {
            End::Delivered { .. } => (MessageStatus::Sent, None),
            End::Dead { reason } => (MessageStatus::Failed, Some(reason.chars().take(LONGEST_REASON).collect())),
            End::Superseded | End::Failed { .. } => return Ok(None),
        };
        if !lane.is_conversation() {
            return Ok(None);
        }
        let sql = "select o.workspace_id, o.lane, n.id, x.id, (select count(*) from outbox p where p.connection_id = o.connection_id and p.lane = o.lane \
                   and p.state in ('pending', 'dead') and p.answer_id = o.answer_id and p.id <> o.id) \
                   from outbox o join interactions n on n.id = o.answer_id join events e on e.id = n.event_id \
                   join connections x on x.id = e.connection_id and x.state <> 'removed' where o.id = $1";
        let rows = tx.fetch(sql, vec![tried.id.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if status == MessageStatus::Sent && row.int(4)? > 0 {
            return Ok(None);
        }
        let at = timestamp(now);
        let became = Became { status, error, at };
        let (workspace, conversation, answer, sink) = (row.id(0)?, row.id(1)?, row.id(2)?, row.id(3)?);
        Ok(Some(NewStatus { id: self.ids.next(), workspace, sink, conversation, answer, became, created_at: at }))
    }
}

/// Queues what sinks are to hear, and the sums of all: of rows that ended in one connection, and of rows that are made for others.
pub(super) fn tell(tx: &mut Tx, news: Vec<NewStatus>, ended: (ConnectionId, Ends), shard: i64, now: i64) {
    let mut made: BTreeMap<ConnectionId, Counted> = BTreeMap::new();
    for it in &news {
        made.entry(it.sink).or_default().created += 1;
    }
    report(tx, news, now);
    // Two lanes that tell each other's connection lock the sums of both in one order.
    let behind = made.split_off(&ended.0);
    if !made.is_empty() {
        counters::add(tx, &made, shard);
    }
    counters::ended(tx, &BTreeMap::from([ended]), shard);
    if !behind.is_empty() {
        counters::add(tx, &behind, shard);
    }
}
