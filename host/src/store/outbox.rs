//! The outbox: lanes that are leased, rows that end in `delivered`, `superseded` or `dead`.

use std::collections::HashMap;

use super::counters::{self, Ended};
use super::db::Type::{Int, Text};
use super::{Record, Store, StoreError, Tx};
use crate::ids::{AttemptId, ConnectionId, ConversationId, InteractionId, LeadId, OutboxId, WorkspaceId};
use crate::rules::ingest::{Ask, CheckedEvent, Context, Counted, Intake, NewOutbox, Origin, Reading, Way};

/// Gives a lane back.
const FREE: &str =
    "update lanes set lease_until = 0, lease_token = null, due_at = $3, failures = $4 where connection_id = $1 and lane = $2";
/// Most rows of a lane that are taken at once.
pub const LANE_ROWS: i64 = 50;

/// A lane that this hub serves until the lease ends.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Who carries its rows out.
    pub connection: ConnectionId,
    /// The lead or conversation: order is kept within it.
    pub lane: String,
    /// Proves that the lane is still ours.
    pub token: String,
    /// Failed tries in a row.
    pub failures: i64,
    /// Set when whoever served it before did not give it back: what it did last is unknown.
    pub abandoned: bool,
    enqueued: i64,
}

/// A row that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its id, and the command's idempotency key.
    pub id: OutboxId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What is asked.
    pub ask: Asked,
    /// Tries so far.
    pub attempts: i64,
}

/// What a waiting row asks.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Make the sink's record agree with the lead.
    Upsert(LeadId),
    /// Add the interaction to the history of the lead in this lane.
    Add(InteractionId),
    /// Send the message that stands in the payload.
    Send(String),
}

/// How one try of a row ended.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The row.
    pub id: OutboxId,
    /// When it began, milliseconds since 1970 UTC.
    pub at: i64,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// How it ended.
    pub end: End,
}

/// How one try of a row ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It was carried out; the vendor's id of the record or message.
    Delivered {
        /// Our record and the vendor's.
        reference: Option<Reference>,
    },
    /// A later row of the lane makes it unnecessary; nothing was tried.
    Superseded,
    /// It failed and is tried again.
    Failed {
        /// `later`, `after` or `reauthorise`
        verdict: &'static str,
        /// `code: message`
        reason: String,
    },
    /// It is given up.
    Dead {
        /// `code: message`
        reason: String,
    },
}

/// Our record and what the vendor calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `lead`, `interaction` or `message`
    pub kind: &'static str,
    /// Our id.
    pub local: String,
    /// The vendor's id.
    pub remote: String,
    /// JSON: what the receipt said besides.
    pub details: String,
}

/// What becomes of a lane when its worker is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// All that was taken ended: clear it, unless something came in meanwhile.
    Done,
    /// There is more: serve it again at once.
    More,
    /// Its head failed: not before this time, after this many failures in a row.
    Later {
        /// Milliseconds since 1970 UTC.
        due_at: i64,
        /// Failures in a row.
        failures: i64,
    },
}

/// Puts rows into the outbox and opens their lanes.
pub(super) fn enqueue(tx: &mut Tx, rows: Vec<NewOutbox>, now: i64) {
    let mut lanes = std::collections::BTreeMap::new();
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
fn open_lanes(tx: &mut Tx, rows: Vec<Vec<super::Value>>) {
    let sql = "with k(connection_id, lane, due_at, enqueued) as ({rows}) \
               insert into lanes (connection_id, lane, due_at, failures, lease_until, enqueued) \
               select connection_id, lane, due_at, 0, 0, enqueued from k where true \
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
        super::ingest::take_sent(&mut tx, self, &intake, contexts).await?;
        let sql = "insert into outbox (id, workspace_id, connection_id, lane, kind, subject_id, payload, state, attempts, created_at) \
                   values ($1, $2, $3, $4, 'message.send', $4, $5, 'pending', 0, $6)";
        let at = now.as_millisecond();
        let values = vec![id.into(), origin.workspace.into(), origin.connection.into(), conversation.into(), payload.into(), at.into()];
        tx.execute(sql, values).await?;
        open_lanes(&mut tx, vec![vec![origin.connection.into(), conversation.into(), at.into(), 1.into()]]);
        let counted = Counted { created: 1, ..Counted::default() };
        counters::add(&mut tx, &std::collections::BTreeMap::from([(origin.connection, counted)]), 0);
        tx.commit().await?;
        Ok(id)
    }

    /// Gives back the leases of lanes and turns to poll that a former run of this hub held when it ended; how many lanes.
    pub async fn release_own_leases(&self, hub: &str) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update lanes set lease_until = 0 where lease_until > 0 and substr(lease_token, 1, $2) = $1";
        let prefix = format!("{hub}/");
        let length = i64::try_from(prefix.chars().count()).unwrap_or(0);
        // PostgreSQL's substr takes an integer, not a bigint.
        let sql = if tx.has_company() { sql.replace("$2)", "cast($2 as integer))") } else { sql.to_owned() };
        let touched = tx.execute(&sql, vec![prefix.as_str().into(), length.into()]).await?;
        tx.execute(&sql.replacen("lanes", "polls", 1), vec![prefix.into(), length.into()]).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// Leases up to `limit` due lanes of a connection until `lease_until`.
    pub async fn claim_lanes(&self, connection: ConnectionId, hub: &str, limit: i64, lease_ms: i64) -> Result<Vec<Lane>, StoreError> {
        let now = self.clock.now_ms();
        let due = "select lane, failures, lease_token, enqueued from lanes \
                   where connection_id = $1 and due_at <= $2 and lease_until <= $2 order by due_at limit $3";
        // A look first, so that an empty outbox costs no write.
        let values = || vec![connection.into(), now.into(), limit.into()];
        if self.db.fetch(due, values()).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.begin().await?;
        let sql = if tx.has_company() { format!("{due} for update skip locked") } else { due.to_owned() };
        let rows = tx.fetch(&sql, values()).await?;
        let token = format!("{hub}/{}", self.ids.next::<crate::ids::Attempt>());
        let lanes = rows
            .iter()
            .map(|row| {
                Ok(Lane {
                    connection,
                    lane: row.text(0)?,
                    token: token.clone(),
                    failures: row.int(1)?,
                    abandoned: row.opt_text(2)?.is_some(),
                    enqueued: row.int(3)?,
                })
            })
            .collect::<sqlx::Result<Vec<_>>>()?;
        let sql = "with k(connection_id, lane, token, until) as ({rows}) update lanes set lease_token = k.token, lease_until = k.until \
                   from k where lanes.connection_id = k.connection_id and lanes.lane = k.lane";
        let rows = lanes.iter().map(|it| vec![connection.into(), it.lane.as_str().into(), token.as_str().into(), (now + lease_ms).into()]);
        tx.queue(sql, &[Text, Text, Text, Int], rows.collect());
        tx.commit().await?;
        Ok(lanes)
    }

    /// The rows that wait in a lane, in order.
    pub async fn waiting(&self, lane: &Lane) -> Result<Vec<Waiting>, StoreError> {
        let sql = "select id, workspace_id, kind, subject_id, payload, attempts from outbox \
                   where connection_id = $1 and lane = $2 and state = 'pending' order by id limit $3";
        let rows = self.db.fetch(sql, vec![lane.connection.into(), lane.lane.as_str().into(), LANE_ROWS.into()]).await?;
        Ok(rows.iter().map(waiting).collect::<sqlx::Result<_>>()?)
    }

    /// Writes down how tries ended, and what becomes of the lane. False: the lease was lost to another worker, and nothing was written.
    pub async fn finish(&self, lane: &Lane, tried: &[Tried], release: Option<Release>, shard: i64) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
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
            End::Delivered { reference } => {
                if let Some(reference) = reference {
                    put_reference(tx, lane.connection, reference, now).await?;
                }
                ("delivered", None, Some(Ended::Delivered))
            }
            End::Superseded => ("superseded", None, Some(Ended::Superseded)),
            End::Failed { reason, .. } => ("pending", Some(reason.clone()), None),
            End::Dead { reason } => ("dead", Some(reason.clone()), Some(Ended::Dead)),
        };
        let sql =
            "update outbox set state = $2, reason = $3, attempts = attempts + $4, finished_at = $5 where id = $1 and state = 'pending'";
        let attempts = i64::from(!matches!(tried.end, End::Superseded));
        let finished = ended.map(|_| now);
        if tx.execute(sql, vec![tried.id.into(), state.into(), reason.clone().into(), attempts.into(), finished.into()]).await? != 1 {
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

    async fn release(&self, tx: &mut Tx, lane: &Lane, release: Option<Release>, now: i64) -> Result<(), StoreError> {
        let place = || vec![lane.connection.into(), lane.lane.as_str().into()];
        let free = |due_at: i64, failures: i64| {
            let mut values = place();
            values.extend([due_at.into(), failures.into()]);
            values
        };
        match release {
            None => {}
            Some(Release::Done) => {
                let mut values = place();
                values.push(lane.enqueued.into());
                let cleared = tx.execute("delete from lanes where connection_id = $1 and lane = $2 and enqueued = $3", values).await?;
                if cleared == 0 {
                    tx.execute(FREE, free(now, 0)).await?;
                }
            }
            Some(Release::More) => {
                tx.execute(FREE, free(now, 0)).await?;
            }
            Some(Release::Later { due_at, failures }) => {
                tx.execute(FREE, free(due_at, failures)).await?;
            }
        }
        Ok(())
    }

    /// The sink's id of one of our records, and what its last receipt said (JSON).
    pub async fn reference(&self, connection: ConnectionId, kind: &str, local: &str) -> Result<Option<(String, String)>, StoreError> {
        let sql = "select remote_id, details from external_refs where connection_id = $1 and kind = $2 and local_id = $3";
        let row = self.db.fetch_optional(sql, vec![connection.into(), kind.into(), local.into()]).await?;
        Ok(row.map(|it| Ok::<_, sqlx::Error>((it.text(0)?, it.text(1)?))).transpose()?)
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
        counters::add(&mut tx, &std::collections::BTreeMap::from([(lane.connection, counted)]), 0);
        tx.commit().await?;
        Ok(())
    }

    /// When the next lane of a connection is due, milliseconds since 1970 UTC.
    pub async fn next_due(&self, connection: ConnectionId) -> Result<Option<i64>, StoreError> {
        let sql = "select min(case when due_at > lease_until then due_at else lease_until end) from lanes where connection_id = $1";
        let row = self.db.fetch_optional(sql, vec![connection.into()]).await?;
        Ok(row.map(|it| it.opt_int(0)).transpose()?.flatten())
    }

    /// When the oldest row that waits for each connection was made, milliseconds since 1970 UTC, for the hub's own metrics.
    pub async fn oldest_waiting(&self) -> Result<Vec<(ConnectionId, i64)>, StoreError> {
        // By workspace, because that is what the index begins with.
        let sql = "select o.connection_id, min(o.created_at) from workspaces w join outbox o on o.workspace_id = w.id and o.state = 'pending' group by 1";
        let rows = self.db.fetch(sql, Vec::new()).await?;
        Ok(rows.iter().map(|it| Ok((it.id(0)?, it.int(1)?))).collect::<sqlx::Result<_>>()?)
    }

    /// Puts a dead row back into its lane, which is served at once. False: there is no such dead row.
    pub async fn redrive_outbox(&self, workspace: WorkspaceId, id: OutboxId) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let sql = "update outbox set state = 'pending', finished_at = null, attempts = 0 where workspace_id = $1 and id = $2 and state = 'dead' \
                   returning connection_id, lane";
        let rows = tx.fetch(sql, vec![workspace.into(), id.into()]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let (connection, lane): (ConnectionId, String) = (row.id(0)?, row.text(1)?);
        open_lanes(&mut tx, vec![vec![connection.into(), lane.as_str().into(), now.into(), 1.into()]]);
        let sql = "update lanes set due_at = $3, failures = 0 where connection_id = $1 and lane = $2";
        tx.execute(sql, vec![connection.into(), lane.into(), now.into()]).await?;
        counters::ended(&mut tx, connection, Ended::Dead, -1, 0).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn put_reference(tx: &mut Tx, connection: ConnectionId, it: &Reference, now: i64) -> sqlx::Result<()> {
    let sql = "insert into external_refs (connection_id, kind, local_id, remote_id, details, created_at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (connection_id, kind, local_id) do update set remote_id = excluded.remote_id, details = excluded.details";
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

fn waiting(row: &Record) -> sqlx::Result<Waiting> {
    let ask = match row.text(2)?.as_str() {
        "lead.upsert" => Asked::Upsert(row.id(3)?),
        "interaction.add" => Asked::Add(row.id(3)?),
        "message.send" => Asked::Send(row.text(4)?),
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no kind of command").into())),
    };
    Ok(Waiting { id: row.id(0)?, workspace: row.id(1)?, ask, attempts: row.int(5)? })
}
