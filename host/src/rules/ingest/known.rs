//! What the database knows about the keys of a batch.

use std::collections::{HashMap, HashSet};

use patchbay_schemas::{Detail, Qualification, Responsible, Stage, Temperature, Timestamp};

use super::{CallState, Intake, Reading};
use crate::ids::{ConnectionId, ContactId, ConversationId, DeliveryId, LeadId, WorkspaceId};
use crate::rules::identity::{Heard, IdentityKey, normalise};

/// What the database knows about the keys of a batch. The planner keeps it up to date with what it plans.
#[derive(Debug, Default)]
pub struct Known {
    /// Event keys that were there before.
    pub events: HashSet<(ConnectionId, String)>,
    /// Whose identities these are: the contact that shows the person (merges followed).
    pub identities: HashMap<(WorkspaceId, IdentityKey), ContactId>,
    /// Conversations by the vendor's key.
    pub conversations: HashMap<(ConnectionId, String), ConversationState>,
    /// Calls by the vendor's id.
    pub calls: HashMap<(ConnectionId, String), CallState>,
    /// The contacts above.
    pub contacts: HashMap<ContactId, ContactState>,
    /// Open leads of these contacts, oldest first; and leads that a sink's records point at.
    pub leads: HashMap<LeadId, LeadState>,
    /// The sink's id of a lead.
    pub references: HashMap<(ConnectionId, String), LeadId>,
    /// What each connection holds of refused and dead deliveries.
    pub quarantine: HashMap<ConnectionId, Quarantine>,
    /// Dead deliveries on which the connector failed, by their fingerprint.
    pub failed: HashMap<(ConnectionId, String), Vec<DeliveryId>>,
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

/// A contact as it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactState {
    /// The shown name.
    pub name: Option<String>,
    /// The shown company.
    pub company: Option<String>,
    /// The shown city.
    pub city: Option<String>,
    /// The shown language.
    pub language: Option<String>,
    /// True when some identity leads to the person.
    pub reachable: bool,
    /// The lead that new interactions join.
    pub open_lead: Option<LeadId>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationState {
    /// Its id.
    pub id: ConversationId,
    /// The person on the other side (merges followed).
    pub contact: ContactId,
}

/// What can change of a lead.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadState {
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its contact, as opened.
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
    /// Identities.
    pub identities: HashSet<(WorkspaceId, IdentityKey)>,
    /// Conversations.
    pub conversations: HashSet<(ConnectionId, String)>,
    /// Calls.
    pub calls: HashSet<(ConnectionId, String)>,
    /// Records of sinks.
    pub references: HashSet<(ConnectionId, String)>,
    /// Connections whose quarantine may grow.
    pub troubled: HashSet<ConnectionId>,
    /// Fingerprints of deliveries.
    pub fingerprints: HashSet<(ConnectionId, String)>,
}

impl Keys {
    /// The keys of a batch. `region` gives the region of a workspace.
    pub fn of<'r>(batch: &[Intake], region: impl Fn(WorkspaceId) -> &'r str) -> Self {
        let mut keys = Self::default();
        for intake in batch {
            keys.fingerprints.extend(intake.fingerprint.iter().map(|it| (intake.origin.connection, it.clone())));
            let Reading::Events(events) = &intake.reading else {
                keys.troubled.insert(intake.origin.connection);
                continue;
            };
            let origin = &intake.origin;
            let connection = origin.connection.to_string();
            let heard =
                Heard { region: region(origin.workspace), connector: &origin.connector, connection: &connection, handles: origin.handles };
            for event in events {
                keys.events.insert((origin.connection, event.key.clone()));
                let Ok(body) = &event.body else {
                    keys.troubled.insert(origin.connection);
                    continue;
                };
                if let Some(person) = super::people::person(body) {
                    let normalised = person.identities.iter().filter_map(|it| normalise(it, heard));
                    keys.identities.extend(normalised.map(|it| (origin.workspace, it.key)));
                }
                if let Some(thread) = body.interaction().and_then(|it| it.conversation.as_ref()) {
                    keys.conversations.insert((origin.connection, thread.key.clone()));
                }
                if let Some(Detail::Call(call)) = body.interaction().map(|it| &it.detail) {
                    keys.calls.insert(super::call::key(origin.connection, call));
                }
                if let patchbay_schemas::EventBody::Record(record) = body {
                    keys.references.insert((origin.connection, record.external_id.clone()));
                }
            }
        }
        keys
    }
}
