//! The outbox: lanes that are leased, rows that end in `delivered`, `superseded` or `dead`.
//!
//! `enqueue` puts rows in, `lanes` hands them out, `finish` writes down how they ended, `answers` who hears of it; `records` is about records that several leads have.

mod answers;
mod enqueue;
mod finish;
mod lanes;
mod records;

pub use enqueue::Once;
pub(super) use enqueue::{enqueue, report, say};
pub use records::RecordOf;
pub(super) use records::{note_deleted, note_persons};

use super::{Store, StoreError};
use crate::ids::{ConnectionId, InteractionId, LeadId, OutboxId, WorkspaceId};
use crate::rules::conflict::Writing;
use crate::rules::ingest::{Became, MergeNote};

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
    /// Set when whoever served it before did not give it back: what it did last is unknown.
    pub abandoned: bool,
    /// Set when the vendor seems to be down, and this lane finds out whether it still is: probes that failed before.
    pub probe: Option<i64>,
    enqueued: i64,
    lease_ms: i64,
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
    /// Tries so far: after one it may have been carried out.
    pub attempts: i64,
    /// Of these, what speaks against the row itself: after so many it is given up.
    pub failures: i64,
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
    /// Show whoever answered in the sink what became of the answer.
    Status {
        /// The answer.
        answer: InteractionId,
        /// What became of it; none: it was erased.
        became: Option<Became>,
    },
    /// Start the call that stands in the payload.
    Call(String),
    /// Note with the record of the lead in this lane that its person was merged, or was taken apart again.
    Note(MergeNote),
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

/// What a sink was told of a lead.
#[derive(Debug, Clone)]
pub struct Told {
    /// The lead.
    pub lead: LeadId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What it showed, and what stood in the record.
    pub writing: Writing,
    /// Where the record went.
    pub moved: Moved,
}

/// What a receipt says of where a record went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// People of the sink had merged the record that the command named into the one that was written.
    pub merged: bool,
    /// The write put the record under this contact of the sink.
    pub person: Option<String>,
}

/// How one try of a row ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It was carried out; the vendor's id of the record or message.
    Delivered {
        /// Our record and the vendor's.
        reference: Option<Reference>,
        /// What the vendor's record shows of a lead now.
        told: Option<Box<Told>>,
    },
    /// A later row of the lane makes it unnecessary; nothing was tried.
    Superseded,
    /// It failed and is tried again.
    Failed {
        /// `later`, `after` or `reauthorise`
        verdict: &'static str,
        /// What speaks against the row itself, this try included.
        failures: i64,
        /// `code: message`
        reason: String,
    },
    /// It is given up.
    Dead {
        /// `code: message`
        reason: String,
    },
}

impl End {
    /// What the sink's record shows of a lead now.
    fn told(&self) -> Option<&Told> {
        match self {
            Self::Delivered { told, .. } => told.as_deref(),
            Self::Superseded | Self::Failed { .. } | Self::Dead { .. } => None,
        }
    }
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
    /// Its head failed: not before this time.
    Later {
        /// Milliseconds since 1970 UTC.
        due_at: i64,
    },
}

impl Store {
    /// The sink's id of one of our records, and what its last receipt said (JSON).
    pub async fn reference(&self, connection: ConnectionId, kind: &str, local: &str) -> Result<Option<(String, String)>, StoreError> {
        let sql = "select remote_id, details from external_refs where connection_id = $1 and kind = $2 and local_id = $3";
        let row = self.db.fetch_optional(sql, vec![connection.into(), kind.into(), local.into()]).await?;
        Ok(row.map(|it| Ok::<_, sqlx::Error>((it.text(0)?, it.text(1)?))).transpose()?)
    }

    /// True while a record of this lead is still to be written.
    pub async fn is_awaited(&self, connection: ConnectionId, lead: LeadId) -> Result<bool, StoreError> {
        let sql = "select 1 from outbox where connection_id = $1 and lane = $2 and state = 'pending' and kind = 'lead.upsert' limit 1";
        Ok(self.db.fetch_optional(sql, vec![connection.into(), lead.into()]).await?.is_some())
    }

    /// When the oldest row that waits for each connection was made, milliseconds since 1970 UTC. One look into an index for each, however
    /// many rows wait.
    pub async fn oldest_waiting(&self) -> Result<Vec<(ConnectionId, i64)>, StoreError> {
        let sql = "select id, since from (select c.id, (select o.created_at from outbox o where o.connection_id = c.id and o.state = 'pending' \
                   order by o.id limit 1) as since from connections c) waiting where since is not null";
        let rows = self.db.fetch(sql, Vec::new()).await?;
        Ok(rows.iter().map(|it| Ok((it.id(0)?, it.int(1)?))).collect::<sqlx::Result<_>>()?)
    }
}
