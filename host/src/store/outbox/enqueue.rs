//! What comes into the outbox.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::Lane;
use crate::ids::{ConnectionId, ConversationId, OutboxId, WorkspaceId};
use crate::rules::ingest::{Ask, CheckedEvent, Context, Counted, Intake, NewMessage, NewOutbox, NewStatus, Origin, Reading, Way};
use crate::store::counters::{self, Ends};
use crate::store::db::Type::{Int, Text};
use crate::store::{Store, StoreError, Tx, Value};

/// Puts rows into the outbox and opens their lanes.
pub(in crate::store) fn enqueue(tx: &mut Tx, rows: Vec<NewOutbox>, now: i64) {
    let mut lanes = BTreeMap::new();
    let (mut plain, mut notes) = (Vec::with_capacity(rows.len()), Vec::new());
    for it in rows {
        let lane = it.lead.to_string();
        *lanes.entry((it.sink, lane.clone())).or_insert(0_i64) += 1;
        let (kind, subject, payload) = match it.ask {
            Ask::Upsert => ("lead.upsert", lane.clone(), None),
            Ask::Add(interaction) => ("interaction.add", interaction.to_string(), None),
            Ask::Note(note) => (note.step.as_str(), note.merge.to_string(), Some(json!({ "others": note.others }).to_string())),
        };
        let created_at = it.created_at.as_millisecond().into();
        let mut row = vec![it.id.into(), it.workspace.into(), it.sink.into(), lane.into(), kind.into(), subject.into(), created_at];
        if let Some(payload) = payload {
            row.push(payload.into());
            notes.push(row);
        } else {
            plain.push(row);
        }
    }
    let sql = "with k(id, workspace_id, connection_id, lane, kind, subject_id, created_at) as ({rows}) \
               insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, created_at, state, attempts) \
               select id, workspace_id, connection_id, lane, kind, subject_id, created_at, 'pending', 0 from k";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int], plain);
    // Seldom needed: what a batch writes without a merge is the same text as ever.
    if !notes.is_empty() {
        let sql = "with k(id, workspace_id, connection_id, lane, kind, subject_id, created_at, payload) as ({rows}) \
                   insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, created_at, payload, state, attempts) \
                   select id, workspace_id, connection_id, lane, kind, subject_id, created_at, payload, 'pending', 0 from k";
        tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int, Text], notes);
    }
    open_lanes(tx, lanes.into_iter().map(|((sink, lane), count)| vec![sink.into(), lane.into(), now.into(), count.into()]).collect());
}

/// Puts messages into the lanes of their conversations. Seldom needed: only people who answer in a sink bring these.
pub(in crate::store) fn say(tx: &mut Tx, messages: Vec<NewMessage>, now: i64) {
    if messages.is_empty() {
        return;
    }
    let mut lanes = BTreeMap::new();
    let rows = messages.into_iter().map(|it| {
        *lanes.entry((it.connection, it.conversation)).or_insert(0_i64) += 1;
        let place = [it.id.into(), it.workspace.into(), it.connection.into(), it.conversation.into()];
        place.into_iter().chain([it.payload.into(), it.answer.into(), it.created_at.as_millisecond().into()]).collect()
    });
    let sql = "with k(id, workspace_id, connection_id, lane, payload, answer_id, created_at) as ({rows}) \
               insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, payload, answer_id, state, attempts, created_at) \
               select id, workspace_id, connection_id, lane, 'message.send', lane, payload, answer_id, 'pending', 0, created_at from k";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int], rows.collect());
    open_lanes(
        tx,
        lanes.into_iter().map(|((connection, lane), count)| vec![connection.into(), lane.into(), now.into(), count.into()]).collect(),
    );
}

/// Puts what became of answers into the lanes of their conversations, for the sinks whose people answered. As seldom.
pub(in crate::store) fn report(tx: &mut Tx, rows: Vec<NewStatus>, now: i64) {
    if rows.is_empty() {
        return;
    }
    let mut lanes = BTreeMap::new();
    let rows = rows.into_iter().map(|it| {
        *lanes.entry((it.sink, it.conversation)).or_insert(0_i64) += 1;
        let became = serde_json::to_string(&it.became).expect("a word, a text and a time are JSON");
        let place = [it.id.into(), it.workspace.into(), it.sink.into(), it.conversation.into()];
        place.into_iter().chain([it.answer.into(), became.into(), it.created_at.as_millisecond().into()]).collect()
    });
    let sql = "with k(id, workspace_id, connection_id, lane, subject_id, payload, created_at) as ({rows}) \
               insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, payload, state, attempts, created_at) \
               select id, workspace_id, connection_id, lane, 'message.status', subject_id, payload, 'pending', 0, created_at from k";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int], rows.collect());
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

/// A key under which a wish is carried out once, and what is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    key: String,
    fingerprint: String,
}

impl Once {
    /// `wish`: all that must be equal when the key comes again.
    #[must_use]
    pub fn new(key: String, wish: &str) -> Self {
        Self { key, fingerprint: hex::encode(ring::digest::digest(&ring::digest::SHA256, wish.as_bytes())) }
    }

    /// Takes the key for the row `id`. Some: it was taken before, for that row.
    async fn take(&self, tx: &mut Tx, workspace: WorkspaceId, id: OutboxId, now: i64) -> Result<Option<OutboxId>, StoreError> {
        let sql = "insert into idempotency_keys (workspace_id, key, fingerprint, outbox_id, created_at) values ($1, $2, $3, $4, $5) \
                   on conflict (workspace_id, key) do nothing";
        let values = vec![workspace.into(), self.key.as_str().into(), self.fingerprint.as_str().into(), id.into(), now.into()];
        if tx.execute(sql, values).await? == 1 {
            return Ok(None);
        }
        let sql = "select outbox_id, fingerprint from idempotency_keys where workspace_id = $1 and key = $2";
        let rows = tx.fetch(sql, vec![workspace.into(), self.key.as_str().into()]).await?;
        let row = rows.first().ok_or(StoreError::Gone("the idempotency key"))?;
        if row.text(1)? == self.fingerprint { Ok(Some(row.id(0)?)) } else { Err(StoreError::KeyReused) }
    }
}

/// A row for somebody whom we speak with: its payload is made already.
struct Spoken {
    id: OutboxId,
    workspace: WorkspaceId,
    connection: ConnectionId,
    conversation: ConversationId,
}

impl Spoken {
    async fn insert(&self, tx: &mut Tx, kind: &'static str, payload: &str, now: i64) -> Result<(), StoreError> {
        let sql = "insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, payload, state, attempts, created_at) \
                   values ($1, $2, $3, $4, $5, $4, $6, 'pending', 0, $7)";
        let place = vec![self.id.into(), self.workspace.into(), self.connection.into(), self.conversation.into()];
        let what = vec![kind.into(), payload.into(), now.into()];
        tx.execute(sql, place.into_iter().chain(what).collect()).await?;
        open_lanes(tx, vec![vec![self.connection.into(), self.conversation.into(), now.into(), 1.into()]]);
        let counted = Counted { created: 1, ..Counted::default() };
        counters::add(tx, &BTreeMap::from([(self.connection, counted)]), 0);
        Ok(())
    }
}

impl Store {
    /// Puts a message into the lane of its conversation, and into the timeline.
    ///
    /// `sent` is the message as an event of the timeline, `payload` the JSON of the command. With a key that was taken before, the row is the
    /// one of then.
    pub async fn enqueue_message(
        &self,
        origin: &Origin,
        conversation: ConversationId,
        sent: impl FnOnce(OutboxId) -> CheckedEvent,
        payload: &str,
        contexts: &HashMap<WorkspaceId, Context>,
        once: Option<&Once>,
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
        if let Some(once) = once
            && let Some(there) = once.take(&mut tx, origin.workspace, id, now.as_millisecond()).await?
        {
            return Ok(there);
        }
        crate::store::ingest::take_sent(&mut tx, self, &intake, contexts).await?;
        let row = Spoken { id, workspace: origin.workspace, connection: origin.connection, conversation };
        row.insert(&mut tx, "message.send", payload, now.as_millisecond()).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Puts a call into the lane of its conversation. `payload` is the JSON of the command. With a key that was taken before, the row is the
    /// one of then.
    pub async fn enqueue_call(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        conversation: ConversationId,
        payload: &str,
        once: Option<&Once>,
    ) -> Result<OutboxId, StoreError> {
        let row = Spoken { id: self.ids.next(), workspace, connection, conversation };
        let (mut tx, now) = (self.db.begin().await?, self.clock.now_ms());
        if let Some(once) = once
            && let Some(there) = once.take(&mut tx, workspace, row.id, now).await?
        {
            return Ok(there);
        }
        row.insert(&mut tx, "call.start", payload, now).await?;
        tx.commit().await?;
        Ok(row.id)
    }

    /// Forgets the sink's record of the lead in this lane, unless it is another one than what is `missing` by now, and asks for a new one.
    pub async fn forget_record(&self, lane: &Lane, workspace: WorkspaceId, missing: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut sql = "delete from external_refs where connection_id = $1 and kind = 'lead' and local_id = $2".to_owned();
        let mut values: Vec<Value> = vec![lane.connection.into(), lane.lane.as_str().into()];
        if let Some(missing) = missing {
            sql.push_str(" and remote_id = $3");
            values.push(missing.into());
        }
        tx.execute(&sql, values).await?;
        self.upsert_first(&mut tx, lane, workspace).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks for a record of the lead in this lane, of which the sink never heard, or which people deleted there. False: it was asked before, and there is none.
    pub async fn ask_for_record(&self, lane: &Lane, workspace: WorkspaceId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        // Of a lead whose record people deleted it was asked before.
        let sql = "select id from outbox where connection_id = $1 and lane = $2 and state in ('dead', 'delivered') and kind = 'lead.upsert' \
                   and not exists (select 1 from external_refs r where r.connection_id = $1 and r.kind = 'deleted' and r.local_id = $2) limit 1";
        if !tx.fetch(sql, vec![lane.connection.into(), lane.lane.as_str().into()]).await?.is_empty() {
            return Ok(false);
        }
        self.upsert_first(&mut tx, lane, workspace).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// An upsert of the lane's lead; the lane serves it before everything else that waits there.
    pub(super) async fn upsert_first(&self, tx: &mut Tx, lane: &Lane, workspace: WorkspaceId) -> Result<(), StoreError> {
        let (id, now): (OutboxId, i64) = (self.ids.next(), self.clock.now_ms());
        let sql = "insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, state, attempts, created_at) \
                   values ($1, $2, $3, $4, 'lead.upsert', $4, 'pending', 0, $5)";
        tx.execute(sql, vec![id.into(), workspace.into(), lane.connection.into(), lane.lane.as_str().into(), now.into()]).await?;
        open_lanes(tx, vec![vec![lane.connection.into(), lane.lane.as_str().into(), now.into(), 1.into()]]);
        let counted = Counted { created: 1, ..Counted::default() };
        counters::add(tx, &BTreeMap::from([(lane.connection, counted)]), 0);
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
        counters::ended(&mut tx, &BTreeMap::from([(connection, Ends { dead: -1, ..Ends::default() })]), 0);
        tx.commit().await?;
        Ok(true)
    }
}
