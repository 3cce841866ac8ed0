//! What the database knows about the keys of a batch.

use std::collections::{BTreeSet, HashMap, HashSet};

use patchbay_schemas::{Contact, ConversationRef, Detail, EventBody, Qualification, Responsible, Stage, Temperature, Timestamp};

use super::planner::reply_to;
use super::returning::History;
use super::{CallState, Filled, Intake, Reading, Said, SaidIdentity, Way};
use crate::conflict::Sources;
use crate::identity::IdentityKey;
use crate::ids::{ConnectionId, ContactId, ConversationId, DeliveryId, InteractionId, LeadId, WorkspaceId};

/// What the database knows about the keys of a batch. The planner keeps it up to date with what it plans.
#[derive(Debug, Default)]
pub struct Known {
    /// Event keys that were there before.
    pub events: HashSet<(ConnectionId, String)>,
    /// The contact of a source that said exactly this before: by its first identity and the fingerprint of all.
    pub records: HashMap<(WorkspaceId, IdentityKey, String), ContactId>,
    /// Somebody who is known by each identity: one of several, always the same.
    pub identities: HashMap<(WorkspaceId, IdentityKey), Holder>,
    /// The contact that shows a merged one.
    pub shown_by: HashMap<ContactId, ContactId>,
    /// Conversations by the vendor's key.
    pub conversations: HashMap<(ConnectionId, String), ConversationState>,
    /// Conversations into which somebody answers by the hub's own id of them.
    pub addressed: HashMap<(WorkspaceId, ConversationId), Addressed>,
    /// Answers of a sink's people by the messenger's id of the message.
    pub answered: HashMap<(ConnectionId, String), Answered>,
    /// Calls by the vendor's id.
    pub calls: HashMap<(ConnectionId, String), CallState>,
    /// The people above, by the contact that shows each.
    pub contacts: HashMap<ContactId, ContactState>,
    /// Open leads of these contacts, oldest first; and leads that a sink's records point at.
    pub leads: HashMap<LeadId, LeadState>,
    /// What the workspace's rules look at of these leads; only where it has rules.
    pub histories: HashMap<LeadId, History>,
    /// The sink's id of a lead.
    pub references: HashMap<(ConnectionId, String), LeadId>,
    /// Who says what these records say of their lead's person: by sink and lead.
    pub tellers: HashMap<(ConnectionId, LeadId), Teller>,
    /// Who has what points at the person of these records: the first few.
    pub holders: HashMap<(WorkspaceId, IdentityKey), Vec<ContactId>>,
    /// The sink's contact that the record of a lead belonged to when it was told last: by sink and lead.
    pub persons: HashMap<(ConnectionId, LeadId), String>,
    /// Leads whose records belong to the contacts of a sink that are told of, each with its contact here: the first few.
    pub of_person: HashMap<(ConnectionId, String), Vec<(LeadId, ContactId)>>,
    /// How the people of these leads are shown.
    pub people: HashMap<ContactId, Contact>,
    /// What was said of the fields of leads of which records are told.
    pub sources: HashMap<LeadId, Sources>,
    /// Leads above of which a write to a sink is under way, or was not answered.
    pub in_flight: HashSet<(ConnectionId, LeadId)>,
    /// Leads above that have a record in a sink which is being imported.
    pub bound: HashSet<(ConnectionId, LeadId)>,
    /// What each connection holds of refused and dead deliveries.
    pub quarantine: HashMap<ConnectionId, Quarantine>,
    /// Dead deliveries on which the connector failed, by their fingerprint.
    pub failed: HashMap<(ConnectionId, String), Vec<DeliveryId>>,
}

impl Known {
    /// Notes who shows a contact, and that this person must be loaded.
    pub fn meet(&mut self, contact: ContactId, shown: ContactId, people: &mut Vec<ContactId>) -> ContactId {
        if contact != shown {
            self.shown_by.insert(contact, shown);
        }
        people.push(shown);
        contact
    }
}

impl Known {
    /// The contact that shows this one.
    #[must_use]
    pub fn shown(&self, contact: ContactId) -> ContactId {
        self.shown_by.get(&contact).copied().unwrap_or(contact)
    }

    /// The person that a contact belongs to.
    #[must_use]
    pub fn person(&self, contact: ContactId) -> Option<&ContactState> {
        self.contacts.get(&self.shown(contact))
    }

    /// The lead that new interactions of a person join where no rule says otherwise: the oldest open one.
    #[must_use]
    pub fn open_lead(&self, contact: ContactId) -> Option<LeadId> {
        let leads = &self.person(contact)?.leads;
        leads.iter().copied().find(|it| self.leads.get(it).is_some_and(|it| it.stage.is_open()))
    }

    /// The same, to be changed; a new one where nothing is known.
    pub fn person_mut(&mut self, contact: ContactId) -> &mut ContactState {
        self.contacts.entry(self.shown(contact)).or_default()
    }
}

/// The contact that says what the record of a lead says of its person, as far as people of the sink typed it in. It changes with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teller {
    /// The contact.
    pub contact: ContactId,
    /// What it says.
    pub says: Filled,
    /// What points at the person.
    pub identities: Vec<SaidIdentity>,
}

/// Somebody who is known by an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The contact that has it.
    pub contact: ContactId,
    /// People with different names are known by it: it joins nobody by itself.
    pub shared: bool,
}

/// What a connection holds of refused and dead deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Deliveries.
    pub rows: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl Quarantine {
    /// Most refused and dead deliveries that one connection keeps: a stranger cannot fill the disk with what no connector can read.
    pub const MOST: Self = Self { rows: 1_000, bytes: 16 << 20 };

    /// True, and counted, when a body of this size still fits.
    pub fn admit(&mut self, size: usize) -> bool {
        let size = size as u64;
        let fits = self.rows < Self::MOST.rows && self.bytes + size <= Self::MOST.bytes;
        if fits {
            self.rows += 1;
            self.bytes += size;
        }
        fits
    }
}

/// A person: what all contacts that are shown as one say together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactState {
    /// Every name that some source says.
    pub names: Vec<String>,
    /// A company.
    pub company: Option<String>,
    /// A city.
    pub city: Option<String>,
    /// A language.
    pub language: Option<String>,
    /// Whether anything leads to the person.
    pub reach: Reach,
    /// True when somebody parted them from another: they are not joined to anybody who was there before without all of it looked at.
    pub guarded: bool,
    /// The person's leads that are known here: the open ones, and where the workspace has rules the newest of each contact.
    pub leads: BTreeSet<LeadId>,
}

/// Whether anything leads to a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing.
    #[default]
    Nothing,
    /// A company's switchboard, or an address that several read.
    Company,
    /// The person.
    Person,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationState {
    /// Its id.
    pub id: ConversationId,
    /// The contact on the other side when it began.
    pub contact: ContactId,
}

/// A conversation into which somebody answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Addressed {
    /// Its connection.
    pub connection: ConnectionId,
    /// As the vendor knows it.
    pub thread: ConversationRef,
    /// The contact on the other side when it began.
    pub contact: ContactId,
}

/// An answer of a sink's people that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The sink.
    pub sink: ConnectionId,
    /// Where it went.
    pub conversation: ConversationId,
    /// The answer.
    pub answer: InteractionId,
}

/// What can change of a lead.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadState {
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The contact that opened it.
    pub contact: ContactId,
    /// Title.
    pub title: String,
    /// Stage.
    pub stage: Stage,
    /// Who answers for it.
    pub responsible: Option<Responsible>,
    /// When somebody will next speak with the person.
    pub next_contact_at: Option<Timestamp>,
    /// Whether the company wants such leads.
    pub qualification: Qualification,
    /// How urgent the wish is.
    pub temperature: Temperature,
    /// Labels.
    pub tags: Vec<String>,
}

/// The keys that the store must look up before a batch can be planned.
#[derive(Debug, Default)]
pub struct Keys {
    /// Event keys.
    pub events: HashSet<(ConnectionId, String)>,
    /// Identities, each with the fingerprint of what was said together with it.
    pub identities: HashSet<(WorkspaceId, IdentityKey, String)>,
    /// Conversations.
    pub conversations: HashSet<(ConnectionId, String)>,
    /// Conversations into which somebody answers.
    pub addressed: BTreeSet<(WorkspaceId, ConversationId)>,
    /// Messages of which the messenger says what became of them.
    pub statuses: HashSet<(ConnectionId, String)>,
    /// Calls.
    pub calls: HashSet<(ConnectionId, String)>,
    /// Records of sinks.
    pub references: HashSet<(ConnectionId, String)>,
    /// Contacts of sinks that records belong to.
    pub persons: HashSet<(ConnectionId, String)>,
    /// What points at people of whom records tell.
    pub told: HashSet<(WorkspaceId, IdentityKey)>,
    /// Connections that are being imported.
    pub importing: BTreeSet<ConnectionId>,
    /// Leads that records say they were made for.
    pub leads: BTreeSet<(WorkspaceId, LeadId)>,
    /// Connections whose quarantine may grow.
    pub troubled: HashSet<ConnectionId>,
    /// Fingerprints of deliveries.
    pub fingerprints: HashSet<(ConnectionId, String)>,
}

impl Keys {
    /// The keys of a batch; `said` is what [`super::sayings`] gives for each delivery.
    #[must_use]
    pub fn of(batch: &[Intake], said: &[Vec<Option<Said>>]) -> Self {
        let mut keys = Self::default();
        for (intake, said) in batch.iter().zip(said) {
            keys.fingerprints.extend(intake.fingerprint.iter().map(|it| (intake.origin.connection, it.clone())));
            let Reading::Events(events) = &intake.reading else {
                keys.troubled.insert(intake.origin.connection);
                continue;
            };
            let origin = &intake.origin;
            for said in said.iter().flatten() {
                let identities = said.identities.iter();
                keys.identities.extend(identities.map(|it| (origin.workspace, it.key.clone(), said.fingerprint.clone())));
            }
            for (at, event) in events.iter().enumerate() {
                keys.events.insert((origin.connection, event.key.clone()));
                let Ok(body) = &event.body else {
                    keys.troubled.insert(origin.connection);
                    continue;
                };
                if let Some(to) = reply_to(body) {
                    keys.addressed.insert((origin.workspace, to));
                    // A reply that goes nowhere is a dead letter.
                    keys.troubled.insert(origin.connection);
                    continue;
                }
                if let EventBody::Status(it) = body {
                    keys.statuses.insert((origin.connection, it.message_id.clone()));
                }
                if let Some(thread) = body.interaction().and_then(|it| it.conversation.as_ref()) {
                    keys.conversations.insert((origin.connection, thread.key.clone()));
                }
                if let Some(Detail::Call(call)) = body.interaction().map(|it| &it.detail) {
                    keys.calls.insert(super::call::key(origin.connection, call));
                }
                if let EventBody::Record(record) = body {
                    let identities = said.get(at).into_iter().flatten().flat_map(|it| &it.identities);
                    keys.told.extend(identities.map(|it| (origin.workspace, it.key.clone())));
                    keys.references.insert((origin.connection, record.external_id.clone()));
                    keys.persons.extend(record.person_ref.clone().map(|it| (origin.connection, it)));
                    if intake.way == Way::Import {
                        keys.importing.insert(origin.connection);
                        keys.leads.extend(record.lead.as_deref().and_then(|it| it.parse().ok()).map(|it| (origin.workspace, it)));
                    }
                }
            }
        }
        keys
    }
}
