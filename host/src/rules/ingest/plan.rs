//! What a batch writes.

use std::collections::BTreeMap;

use patchbay_identity::compare::Reason;
use patchbay_schemas::Timestamp;

use super::{Cursor, LeadState, Outcome, SaidIdentity, Way};
use crate::ids::{ConnectionId, ContactId, ConversationId, DeliveryId, EventId, InteractionId, LeadId, MergeId, OutboxId, WorkspaceId};

/// What a batch writes, in one transaction.
#[derive(Debug, Default)]
pub struct Plan {
    /// One for each delivery.
    pub deliveries: Vec<NewDelivery>,
    /// Dead deliveries that the vendor sent again and that were read this time.
    pub repeated: Vec<Repeated>,
    /// New events, dead ones among them.
    pub events: Vec<NewEvent>,
    /// New contacts.
    pub contacts: Vec<NewContact>,
    /// What became known of contacts that nothing points at.
    pub filled: BTreeMap<ContactId, Filled>,
    /// People who were there before and turned out to be one: the first is shown by the second from now on.
    pub moved: Vec<(ContactId, ContactId)>,
    /// Why contacts are one person.
    pub merges: Vec<NewMerge>,
    /// Contacts that are one person whatever is found out later.
    pub verdicts: Vec<NewVerdict>,
    /// New identities.
    pub identities: Vec<NewIdentity>,
    /// New leads.
    pub leads: Vec<NewLead>,
    /// Leads that were there before and changed.
    pub changed_leads: BTreeMap<LeadId, LeadState>,
    /// New conversations.
    pub conversations: Vec<NewConversation>,
    /// When something last happened in conversations that were there before.
    pub touched_conversations: BTreeMap<ConversationId, Timestamp>,
    /// New interactions.
    pub interactions: Vec<NewInteraction>,
    /// Calls that were there before and went on.
    pub changed_calls: BTreeMap<InteractionId, ChangedCall>,
    /// Each event that tells of a call, and the interaction that the call is.
    pub call_steps: Vec<(EventId, InteractionId)>,
    /// What the sinks must hear.
    pub outbox: Vec<NewOutbox>,
    /// Where polling goes on.
    pub cursors: BTreeMap<ConnectionId, Cursor>,
    /// What is added to the sums.
    pub counted: BTreeMap<ConnectionId, Counted>,
}

/// What is added to the sums of one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Deliveries.
    pub received: i64,
    /// …of which each outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [i64; 5],
    /// Of refused and dead: not kept as rows, because the quota was full.
    pub unkept: i64,
    /// Outbox rows made.
    pub created: i64,
}

impl Counted {
    /// One delivery with this outcome.
    pub fn delivery(&mut self, outcome: Outcome) {
        self.received += 1;
        self.outcomes[outcome as usize] += 1;
    }
}

/// A row of `deliveries`.
#[derive(Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Connection.
    pub connection: ConnectionId,
    /// How it came in.
    pub way: Way,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused or is dead; of a duplicate, the dead one that it repeats.
    pub reason: Option<String>,
    /// JSON of the request without its body.
    pub request: Option<String>,
    /// The body; not kept of duplicates.
    pub body: Option<Vec<u8>>,
    /// Bytes of the body.
    pub size: usize,
    /// When it was received.
    pub received_at: Timestamp,
    /// By which it is known again; only where the connector failed on it.
    pub fingerprint: Option<String>,
}

/// A dead delivery that the vendor sent again: what it holds stands in the other one, so it is a duplicate from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// Connection.
    pub connection: ConnectionId,
    /// The dead one.
    pub dead: DeliveryId,
    /// The one that was read.
    pub by: DeliveryId,
}

/// A row of `events`.
#[derive(Debug)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Connection.
    pub connection: ConnectionId,
    /// The delivery that it came in; none: we made it ourselves.
    pub delivery: Option<DeliveryId>,
    /// Deduplication key.
    pub key: String,
    /// Kind.
    pub kind: String,
    /// Why it is dead; none: accepted.
    pub dead: Option<String>,
    /// The vendor's time.
    pub occurred_at: Option<Timestamp>,
    /// Time of receipt.
    pub received_at: Timestamp,
    /// JSON.
    pub payload: String,
}

/// A row of `contacts`: what one source says of a person.
#[derive(Debug)]
pub struct NewContact {
    /// Its id.
    pub id: ContactId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Who says so.
    pub connection: ConnectionId,
    /// What it says.
    pub says: Filled,
    /// When it said so.
    pub said_at: Timestamp,
    /// When the hub first heard of it.
    pub created_at: Timestamp,
}

/// Claims of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// Name.
    pub name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Language.
    pub language: Option<String>,
}

/// A row of `identities`.
#[derive(Debug)]
pub struct NewIdentity {
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Whose it is.
    pub contact: ContactId,
    /// Fingerprint of all that was said together with it.
    pub said: String,
    /// The identity.
    pub identity: SaidIdentity,
    /// People with different names are known by it.
    pub shared: bool,
}

/// A row of `merges`.
#[derive(Debug)]
pub struct NewMerge {
    /// Its id.
    pub id: MergeId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// The younger contact.
    pub from: ContactId,
    /// The older one.
    pub into: ContactId,
    /// Why.
    pub reasons: Vec<Reason>,
    /// When.
    pub at: Timestamp,
}

/// A row of `verdicts`: one person, by the rules alone.
#[derive(Debug)]
pub struct NewVerdict {
    /// Workspace.
    pub workspace: WorkspaceId,
    /// A contact.
    pub one: ContactId,
    /// Another.
    pub other: ContactId,
    /// When.
    pub at: Timestamp,
}

/// A row of `leads`.
#[derive(Debug)]
pub struct NewLead {
    /// Its id.
    pub id: LeadId,
    /// What can change.
    pub state: LeadState,
    /// The medium.
    pub channel: String,
    /// Where it came from.
    pub connection: ConnectionId,
    /// JSON: campaign, page, click ids.
    pub source: String,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A row of `conversations`.
#[derive(Debug)]
pub struct NewConversation {
    /// Its id.
    pub id: ConversationId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Connection.
    pub connection: ConnectionId,
    /// The vendor's id of the thread.
    pub key: String,
    /// Title, for groups.
    pub title: Option<String>,
    /// The person on the other side.
    pub contact: ContactId,
    /// When something last happened in it.
    pub last_at: Timestamp,
}

/// A row of `interactions`.
#[derive(Debug)]
pub struct NewInteraction {
    /// Its id.
    pub id: InteractionId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// The event that it is.
    pub event: EventId,
    /// Who.
    pub contact: ContactId,
    /// The lead that it belongs to.
    pub lead: Option<LeadId>,
    /// The conversation that it belongs to.
    pub conversation: Option<ConversationId>,
    /// Connection.
    pub connection: ConnectionId,
    /// Kind.
    pub kind: &'static str,
    /// The vendor's id of the call, where it is one.
    pub call: Option<String>,
    /// `in` or `out`.
    pub direction: &'static str,
    /// The vendor's time, else the time of receipt.
    pub occurred_at: Timestamp,
    /// Time of receipt.
    pub received_at: Timestamp,
}

/// What can change of an interaction that is a call.
#[derive(Debug, Clone, Copy)]
pub struct ChangedCall {
    /// The event that tells its newest state.
    pub event: Option<EventId>,
    /// Who.
    pub contact: ContactId,
    /// The lead that it belongs to.
    pub lead: Option<LeadId>,
    /// The conversation that it belongs to.
    pub conversation: Option<ConversationId>,
    /// When it began.
    pub occurred_at: Timestamp,
}

/// A row of `outbox`, in a lane of the lead.
#[derive(Debug)]
pub struct NewOutbox {
    /// Its id.
    pub id: OutboxId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Who carries it out.
    pub sink: ConnectionId,
    /// The lane.
    pub lead: LeadId,
    /// What is asked.
    pub ask: Ask,
    /// When.
    pub created_at: Timestamp,
}

/// What a sink is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Make your record agree with the lead.
    Upsert,
    /// Add this interaction to the history.
    Add(InteractionId),
}
