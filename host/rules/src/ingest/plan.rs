//! What a batch writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchbay_identity::compare::Reason;
use patchbay_schemas::{Source, Timestamp};

use super::became::Became;
use super::known::Reach;
use super::note::MergeNote;
use super::question::NewQuestion;
use super::returning::Placed;
use super::{Cursor, LeadState, Outcome, ReadBy, SaidIdentity, Way};
use crate::conflict::Sayings;
use crate::identity::IdentityKey;
use crate::ids::{
    ConnectionId, ContactId, ConversationId, DeliveryId, EventId, InteractionId, LeadId, LinkId, MergeId, OutboxId, WorkspaceId,
};

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
    /// Contacts that say what a record says, and say another thing from now on.
    pub retold: BTreeMap<ContactId, Retold>,
    /// Contacts that were one person because a record said so, and says so no more.
    pub untied: Vec<(ContactId, ContactId)>,
    /// People who were there before and turned out to be one: the first is shown by the second from now on.
    pub moved: Vec<(ContactId, ContactId)>,
    /// People who were there before and are shown otherwise from now on: all their leads, not just the one that is spoken of.
    pub reshown: BTreeSet<ContactId>,
    /// Why contacts are one person.
    pub merges: Vec<NewMerge>,
    /// People of whom somebody is asked whether they are one.
    pub questions: Vec<NewQuestion>,
    /// Links that were opened.
    pub redeemed: Vec<Redeemed>,
    /// Contacts that are one person whatever is found out later.
    pub verdicts: Vec<NewVerdict>,
    /// New identities.
    pub identities: Vec<NewIdentity>,
    /// New leads.
    pub leads: Vec<NewLead>,
    /// Leads that were there before and changed.
    pub changed_leads: BTreeMap<LeadId, LeadState>,
    /// Leads that were there before, and the campaign of a link that their person opened: it stands where none was known.
    pub attributed: BTreeMap<LeadId, Source>,
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
    /// What people of the company answered in a sink.
    pub messages: Vec<NewMessage>,
    /// What became of such answers.
    pub became: Vec<NewStatus>,
    /// Records of sinks that leads turned out to have.
    pub references: Vec<NewReference>,
    /// The sink's contact that the record of a lead belongs to.
    pub persons: BTreeMap<(ConnectionId, LeadId), String>,
    /// Records that people deleted in a sink.
    pub deleted: Vec<(ConnectionId, String)>,
    /// What sources say of leads' fields from now on: by lead, and by connection.
    pub sayings: BTreeMap<(LeadId, String), Sayings>,
    /// What imports brought.
    pub imported: BTreeMap<ConnectionId, Imported>,
    /// Where polling and imports go on.
    pub cursors: Vec<(ConnectionId, Cursor)>,
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
    /// Which version of the connector read it.
    pub read_by: Arc<ReadBy>,
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
    /// Whether anything in it leads to the person.
    pub reach: Reach,
    /// When it said so.
    pub said_at: Timestamp,
    /// When the hub first heard of it.
    pub created_at: Timestamp,
    /// The lead whose record there says so; none: it was said once and for all.
    pub record_of: Option<LeadId>,
    /// People said so who had before them what the hub had shown.
    pub corrects: bool,
}

/// What a contact says from now on, because its record does; what points at the person besides stands among the new identities.
#[derive(Debug, Clone)]
pub struct Retold {
    /// Workspace.
    pub workspace: WorkspaceId,
    /// What it says.
    pub says: Filled,
    /// Whether anything in it leads to the person.
    pub reach: Reach,
    /// When it said so.
    pub said_at: Timestamp,
    /// What points at the person no more.
    pub gone: Vec<IdentityKey>,
    /// The event that told.
    pub event: EventId,
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
    /// The two people, and the leads of each that the batch knows of.
    pub people: [(ContactId, Vec<LeadId>); 2],
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

/// A row of `link_uses`.
#[derive(Debug)]
pub struct Redeemed {
    /// The link.
    pub link: LinkId,
    /// The event that carried its token.
    pub event: EventId,
    /// Who opened it.
    pub contact: ContactId,
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
    /// Campaign, page, click ids.
    pub source: Source,
    /// The form that opened it.
    pub form: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A row of `external_refs`: a record of a sink that was there before the hub wrote anything into it.
#[derive(Debug)]
pub struct NewReference {
    /// The sink.
    pub connection: ConnectionId,
    /// The lead.
    pub lead: LeadId,
    /// The sink's id of the record.
    pub remote: String,
}

/// What an import brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records and people that the vendor told of.
    pub records: i64,
    /// Of these, people of whom the hub had not heard.
    pub people: i64,
    /// Open records that became leads.
    pub leads: i64,
    /// Records of leads that were there.
    pub joined: i64,
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
    /// Why it belongs to that lead.
    pub placed: Option<Placed>,
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

/// A row of `outbox`, in a lane of the conversation: a message.
#[derive(Debug)]
pub struct NewMessage {
    /// Its id.
    pub id: OutboxId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Who sends it: the conversation's own connection.
    pub connection: ConnectionId,
    /// The lane, and where it goes.
    pub conversation: ConversationId,
    /// JSON of `message.send`.
    pub payload: String,
    /// The answer of which it is a part, where its sink hears what becomes of it.
    pub answer: Option<InteractionId>,
    /// When.
    pub created_at: Timestamp,
}

/// A row of `outbox`, in a lane of the conversation: what became of an answer.
#[derive(Debug)]
pub struct NewStatus {
    /// Its id.
    pub id: OutboxId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Whose people answered.
    pub sink: ConnectionId,
    /// The lane, and where the answer went.
    pub conversation: ConversationId,
    /// The answer.
    pub answer: InteractionId,
    /// What became of it.
    pub became: Became,
    /// When it is noted.
    pub created_at: Timestamp,
}

/// What a sink is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Make your record agree with the lead.
    Upsert,
    /// Add this interaction to the history.
    Add(InteractionId),
    /// Note that the lead's person was merged with another, or was taken apart again.
    Note(MergeNote),
}
