//! What comes into the outbox.

use std::collections::{BTreeMap, HashMap};

use super::Lane;
use crate::ids::{ConnectionId, ConversationId, OutboxId, WorkspaceId};
use crate::rules::ingest::{Ask, CheckedEvent, Context, Counted, Intake, NewOutbox, Origin, Reading, Way};
use crate::store::counters::{self, Ended};
use crate::store::db::Type::{Int, Text};
use crate::store::{Store, StoreError, Tx, Value};

/// Puts rows into the outbox and opens their lanes.
pub(in crate::store) fn enqueue(tx: &mut Tx, rows: Vec<NewOutbox>, now: i64) {
    let mut lanes = BTreeMap::new();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|it| {
            let lane = it.lead.to_string();
            *lanes.entry((it.sink, lane.clone())).or_insert(0_i64) += 1;
            let (kind, subject) = match it.ask {
                Ask::Upsert => ("lead.upsert", lane.clone()),
                Ask::Add(interaction) => ("interaction.add", interaction.to_string()),
            };
            vec![
                it.id.into(),
                it.workspace.into(),
                it.sink.into(),
                lane.into(),
                kind.into(),
                subject.into(),
                it.created_at.as_millisecond().into(),
            ]
        })
        .collect();
    let sql = "with k(id, workspace_id, connection_id, lane, kind, subject_id, created_at) as ({rows}) \
               insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, created_at, state, attempts) \
               select id, workspace_id, connection_id, lane, kind, subject_id, created_at, 'pending', 0 from k";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int], rows);
    open_lanes(tx, lanes.into_iter().map(|((sink, lane), count)| vec![sink.into(), lane.into(), now.into(), count.into()]).collect());
}

/// Opens lanes, or says that more came in. A lane that waits after a failure goes on waiting.
fn open_lanes(tx: &mut Tx, rows: Vec<Vec<Value>>) {
    let sql = "with k(connection_id, lane, due_at, enqueued) as ({rows}) \
               insert into lanes (connection_id, lane, due_at, lease_until, enqueued) \
               select connection_id, lane, due_at, 0, enqueued from k where true \
               on conflict (connection_id, lane) do update set enqueued = lanes.enqueued + excluded.enqueued";
    tx.queue(sql, &[Text, Text, Int, Int], rows);
}

impl Store {
    /// Puts a message into the lane of its conversation, and into the timeline.
    ///
    /// `sent` is the message as an event of the timeline, `payload` the JSON of the command.
    pub async fn enqueue_message(
        &self,
        origin: &Origin,
        conversation: ConversationId,
        sent: impl FnOnce(OutboxId) -> CheckedEvent,
        payload: &str,
        contexts: &HashMap<WorkspaceId, Context>,
    ) -> Result<OutboxId, StoreError> {
        let id: OutboxId = self.ids.next();
        let now = self.clock.now();
        let intake = Intake {
            id: self.ids.next(),
            origin: origin.clone(),
            way: Way::Sent,
            request: None,
            body: Vec::new(),
            fingerprint: None,
            received_at: now,
            reading: Reading::Events(vec![sent(id)]),
            cursor: None,
        };
        let mut tx = self.db.begin().await?;
        crate::store::ingest::take_sent(&mut tx, self, &intake, contexts).await?;
        let sql = "insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, payload, state, attempts, created_at) \
                   values ($1, $2, $3, $4, 'message.send', $4, $5, 'pending', 0, $6)";
        let at = now.as_millisecond();
        let values = vec![id.into(), origin.workspace.into(), origin.connection.into(), conversation.into(), payload.into(), at.into()];
        tx.execute(sql, values).await?;
        open_lanes(&mut tx, vec![vec![origin.connection.into(), conversation.into(), at.into(), 1.into()]]);
        let counted = Counted { created: 1, ..Counted::default() };
        counters::add(&mut tx, &BTreeMap::from([(origin.connection, counted)]), 0);
        tx.commit().await?;
        Ok(id)
    }

    /// Forgets the sink's record of the lead in this lane, and asks for a new one.
    pub async fn forget_record(&self, lane: &Lane, workspace: WorkspaceId) -> Result<(), StoreError> {
        let id: OutboxId = self.ids.next();
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "delete from external_refs where connection_id = $1 and kind = 'lead' and local_id = $2";
        tx.execute(sql, vec![lane.connection.into(), lane.lane.as_str().into()]).await?;
        let sql = "insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, state, attempts, created_at) \
                   values ($1, $2, $3, $4, 'lead.upsert', $4, 'pending', 0, $5)";
        tx.execute(sql, vec![id.into(), workspace.into(), lane.connection.into(), lane.lane.as_str().into(), now.into()]).await?;
        open_lanes(&mut tx, vec![vec![lane.connection.into(), lane.lane.as_str().into(), now.into(), 1.into()]]);
        let counted = Counted { created: 1, ..Counted::default() };
        counters::add(&mut tx, &BTreeMap::from([(lane.connection, counted)]), 0);
        tx.commit().await?;
        Ok(())
    }

    /// Puts a dead row back into its lane, which is served at once. False: there is no such dead row.
    pub async fn redrive_outbox(&self, workspace: WorkspaceId, id: OutboxId) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "update outbox set state = 'pending', finished_at = null, failures = 0 where workspace_id = $1 and id = $2 and state = 'dead' \
                   returning connection_id, lane";
        let rows = tx.fetch(sql, vec![workspace.into(), id.into()]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let (connection, lane): (ConnectionId, String) = (row.id(0)?, row.text(1)?);
        open_lanes(&mut tx, vec![vec![connection.into(), lane.as_str().into(), now.into(), 1.into()]]);
        let sql = "update lanes set due_at = $3 where connection_id = $1 and lane = $2";
        tx.execute(sql, vec![connection.into(), lane.into(), now.into()]).await?;
        counters::ended(&mut tx, connection, Ended::Dead, -1, 0).await?;
        tx.commit().await?;
        Ok(true)
    }
}
