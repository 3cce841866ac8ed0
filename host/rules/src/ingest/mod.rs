//! What a delivery becomes: whose it is, which lead it belongs to, and what the sinks must hear of it.
//!
//! ```text
//! Known (what the database says about the keys in this batch) + Intake (delivery by delivery) ─► Plan (rows to write, in one transaction)
//! ```
//! The planner never waits and never asks: the store loads [`Known`] first and writes [`Plan`] afterwards.

mod became;
mod call;
mod known;
mod note;
mod people;
mod plan;
mod planner;
mod question;
pub mod returning;

pub use became::Became;
pub use call::{CallState, Step};
pub use known::{Addressed, Answered, ContactState, ConversationState, Holder, Keys, Known, LeadState, Quarantine, Reach, Teller};
pub use note::{MergeNote, MergeStep};
pub use people::{Assurance, Said, SaidIdentity, canonical, sayings};
pub use plan::{
    Ask, ChangedCall, Counted, Filled, Imported, NewContact, NewConversation, NewDelivery, NewEvent, NewIdentity, NewInteraction, NewLead,
    NewMerge, NewMessage, NewOutbox, NewReference, NewStatus, NewVerdict, Plan, Redeemed, Repeated, Retold,
};
pub use planner::{Context, Planner, Settings, reply_to, title};
pub use question::{AskedBy, NewQuestion};

use std::sync::Arc;

use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{EventBody, Timestamp};

use crate::ids::{ConnectionId, DeliveryId, WorkspaceId};

/// A delivery that was received and handed to its connector.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Its id.
    pub id: DeliveryId,
    /// Where it came in.
    pub origin: Origin,
    /// `webhook`, `poll`, `stream` or `sent`.
    pub way: Way,
    /// JSON: method, path, query, headers without credentials; of a stream: how long its frames are.
    pub request: Option<String>,
    /// Byte for byte.
    pub body: Vec<u8>,
    /// The same for whatever a vendor sends again: see `patchbay_host::reading::fingerprint`. None where nobody repeats.
    pub fingerprint: Option<String>,
    /// When it was received.
    pub received_at: Timestamp,
    /// What the connector made of it.
    pub reading: Reading,
    /// Where polling or the import goes on; stored with the events.
    pub cursor: Option<Cursor>,
}

/// Where polling or the import of a connection goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// As the connector wrote it.
    pub next: String,
    /// Of the poller that read it: it is written only while that poller has the turn.
    pub lease: String,
    /// What was read.
    pub feed: Feed,
}

/// What a vendor is asked for, page by page; each has a cursor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// What is new.
    News,
    /// What was there before.
    Import {
        /// Nothing is left to read.
        last: bool,
    },
}

/// The connection that a delivery came from, as far as the rules must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection.
    pub connection: ConnectionId,
    /// The connector's id.
    pub connector: String,
    /// The medium.
    pub channel: String,
    /// How far the vendor's ids of people reach.
    pub handles: HandleScope,
    /// Which version of the connector reads what comes in.
    pub read_by: Arc<ReadBy>,
}

/// The version of a connector that reads deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ReadBy {
    /// As its manifest says: `1.2.0`
    pub version: String,
    /// SHA-256 of its `.wasm`, hexadecimal: two builds may call themselves alike.
    pub digest: String,
}

impl ReadBy {
    /// The version with this number, whose `.wasm` has this SHA-256.
    #[must_use]
    pub fn new(version: &str, digest: &[u8; 32]) -> Self {
        Self { version: version.to_owned(), digest: hex::encode(digest) }
    }
}

/// `1.2.0 (0123456789ab)`
impl std::fmt::Display for ReadBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.version, self.digest.get(..12).unwrap_or(&self.digest))
    }
}

/// How a delivery came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The vendor posted it.
    Webhook,
    /// We asked for it.
    Poll,
    /// We asked for what was there before the connection was: people and their open leads, of which no sink is told.
    Import,
    /// It came by a connection that stays open.
    Stream,
    /// The receipt of a write says what stood in the record before.
    Receipt {
        /// An earlier try of the write may have put it there.
        retried: bool,
    },
    /// We made it ourselves: a message that we send. It is no delivery, and is neither kept nor counted as one.
    Sent,
}

impl Way {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Import => "import",
            Self::Stream => "stream",
            Self::Receipt { .. } => "receipt",
            Self::Sent => "sent",
        }
    }
}

/// What the connector made of a delivery.
#[derive(Debug, Clone)]
pub enum Reading {
    /// It holds these events; none: it is of no interest.
    Events(Vec<CheckedEvent>),
    /// The connector cannot read it and never will: `code: message`.
    Refused(String),
    /// The connector trapped or ran out of a limit: `code: message`.
    Dead(String),
}

/// An event after the schema check.
#[derive(Debug, Clone)]
pub struct CheckedEvent {
    /// The connector's deduplication key.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// The vendor's time.
    pub occurred_at: Option<Timestamp>,
    /// JSON text as the connector wrote it.
    pub payload: String,
    /// What it says; or where it breaks its schema: JSON pointer and reason.
    pub body: Result<EventBody, String>,
}

/// What became of a delivery that was handed to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its named outcome.
    pub outcome: Outcome,
    /// False: it was counted but not kept, because the quota of what cannot be read is full. Its sender must not take it for kept.
    pub kept: bool,
}

/// The named outcome of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At least one event is new.
    Accepted,
    /// Every event was there before, or the vendor sent the same bytes again after the connector had failed on them.
    Duplicate,
    /// No event in it.
    Ignored,
    /// The connector cannot read it.
    Refused,
    /// It trapped, timed out, or no event fits the schema.
    Dead,
}

impl Outcome {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Duplicate, Self::Ignored, Self::Refused, Self::Dead];

    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests;
