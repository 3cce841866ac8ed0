//! Plans a batch, delivery by delivery.

mod calls;
mod import;
mod leads;
mod persons;
mod records;
mod replies;

use records::Before;

pub use leads::title;
pub use replies::reply_to;

use std::collections::HashMap;
use std::sync::Arc;

use patchbay_schemas::command::NewRecord;
use patchbay_schemas::{Detail, Direction, EventBody, Interaction, Responsible, Timestamp};

use super::known::Reach;
use super::plan::{Ask, NewConversation, NewDelivery, NewEvent, NewInteraction, NewOutbox, Plan, Repeated};
use super::returning::{Done, Placed, Returning};
use super::{CallState, CheckedEvent, Committed, ConversationState, Intake, Known, Origin, Outcome, Reading, Said, Step, Way};
use crate::ids::{ConnectionId, ContactId, ConversationId, EventId, Ids, InteractionId, LeadId, WorkspaceId};

/// What a workspace decides about its leads.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who answers for a new lead. None: it is shown as a fault until somebody does.
    pub responsible: Option<Responsible>,
    /// Minutes within which a person who turned to us is contacted.
    pub contact_within_minutes: u32,
    /// When a sink makes a record for a lead that it has none of.
    #[serde(default)]
    pub new_record: NewRecord,
    /// What a new interaction of a person does who has leads already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub returning: Vec<Returning>,
    /// Connectors whose word on a person is shown first, the most trusted one before the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// The company's own phones and mail addresses, in their one form: they point at nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_identities: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            responsible: None,
            contact_within_minutes: 60,
            new_record: NewRecord::default(),
            returning: Vec::new(),
            trusted: Vec::new(),
            own_identities: Vec::new(),
        }
    }
}

/// What the planner knows of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// ISO 3166 country of phones without a country code.
    pub region: String,
    /// What the workspace decides.
    pub settings: Settings,
    /// The connections that receive its leads.
    pub sinks: Vec<ConnectionId>,
    /// The connections that send messages.
    pub messengers: Vec<ConnectionId>,
    /// Sinks that show whoever answered there what became of the answer.
    pub reporters: Vec<ConnectionId>,
}

/// Plans a batch, delivery by delivery.
pub struct Planner<'a> {
    ids: &'a Ids,
    contexts: &'a HashMap<WorkspaceId, Context>,
    /// The database as it will be.
    pub known: Known,
    /// What is to be written.
    pub plan: Plan,
}

/// Whose an interaction is and where it belongs.
struct Place {
    contact: ContactId,
    lead: Option<LeadId>,
    placed: Option<Placed>,
    conversation: Option<ConversationId>,
    /// Something that the sinks show of person or lead is new.
    changed: bool,
}

/// What is the same for everything that one event brings.
struct Scene<'a> {
    origin: &'a Origin,
    context: &'a Context,
    event: EventId,
    way: Way,
    occurred_at: Timestamp,
    received_at: Timestamp,
}

impl<'a> Planner<'a> {
    /// Nothing is planned yet.
    #[must_use]
    pub fn new(ids: &'a Ids, contexts: &'a HashMap<WorkspaceId, Context>, known: Known) -> Self {
        Self { ids, contexts, known, plan: Plan::default() }
    }

    /// Plans one delivery and says what becomes of it; `said` is what [`super::sayings`] gives for it.
    pub fn take(&mut self, intake: &Intake, said: &[Option<Said>]) -> Committed {
        let Intake { id, origin, way, received_at, .. } = intake;
        let (id, way, received_at) = (*id, *way, *received_at);
        let events_before = self.plan.events.len();
        let fingerprint = intake.fingerprint.as_ref().map(|it| (origin.connection, it.clone()));
        let failed_before = fingerprint.as_ref().and_then(|it| self.known.failed.get(it)).and_then(|it| it.first());
        let (outcome, reason) = match &intake.reading {
            // One dead letter for all tries of the vendor.
            Reading::Dead(reason) if let Some(first) = failed_before => {
                (Outcome::Duplicate, Some(format!("hub.again: {first} holds the same; {reason}")))
            }
            Reading::Refused(reason) => (Outcome::Refused, Some(reason.clone())),
            Reading::Dead(reason) => (Outcome::Dead, Some(reason.clone())),
            Reading::Events(events) if events.is_empty() => (Outcome::Ignored, None),
            Reading::Events(events) => self.take_events(intake, events, said),
        };
        if way == Way::Sent {
            return Committed { outcome, kept: true };
        }
        let counted = self.plan.counted.entry(origin.connection).or_default();
        counted.delivery(outcome);
        if let Some(cursor) = &intake.cursor {
            self.plan.cursors.push((origin.connection, cursor.clone()));
        }
        let size = intake.body.len();
        let troubled = matches!(outcome, Outcome::Refused | Outcome::Dead);
        if troubled && !self.known.quarantine.entry(origin.connection).or_default().admit(size) {
            counted.unkept += 1;
            self.plan.events.truncate(events_before);
            return Committed { outcome, kept: false };
        }
        let failed = matches!(intake.reading, Reading::Dead(_));
        if let Some(key) = fingerprint {
            if !failed {
                let dead = self.known.failed.remove(&key).unwrap_or_default();
                self.plan.repeated.extend(dead.into_iter().map(|dead| Repeated { connection: origin.connection, dead, by: id }));
            } else if outcome == Outcome::Dead {
                self.known.failed.entry(key).or_default().push(id);
            }
        }
        // What was there before is there byte for byte; what is of no interest need not fill the disk.
        let kept = troubled || outcome == Outcome::Accepted;
        self.plan.deliveries.push(NewDelivery {
            id,
            workspace: origin.workspace,
            connection: origin.connection,
            way,
            outcome,
            reason,
            // A stranger who sends the same again and again leaves as little as can be.
            request: intake.request.clone().filter(|_| !failed || troubled),
            body: kept.then(|| intake.body.clone()),
            size,
            received_at,
            fingerprint: intake.fingerprint.clone().filter(|_| failed && troubled),
            read_by: Arc::clone(&origin.read_by),
        });
        Committed { outcome, kept: true }
    }

    fn take_events(&mut self, intake: &Intake, events: &[CheckedEvent], said: &[Option<Said>]) -> (Outcome, Option<String>) {
        let (origin, received_at) = (&intake.origin, intake.received_at);
        let delivery = (intake.way != Way::Sent).then_some(intake.id);
        let (mut accepted, mut dead) = (0, None);
        for (at, event) in events.iter().enumerate() {
            if !self.known.events.insert((origin.connection, event.key.clone())) {
                continue;
            }
            let id = self.ids.next();
            let fault = match &event.body {
                Ok(body) => {
                    let occurred_at = event.occurred_at.unwrap_or(received_at);
                    self.take_event(id, intake, occurred_at, body, said.get(at).and_then(Option::as_ref)).err()
                }
                Err(fault) => Some(fault.clone()),
            };
            match &fault {
                None => accepted += 1,
                Some(fault) => dead = Some(format!("event.schema: {fault}")),
            }
            self.plan.events.push(NewEvent {
                id,
                workspace: origin.workspace,
                connection: origin.connection,
                delivery,
                key: event.key.clone(),
                kind: event.kind.clone(),
                dead: fault,
                occurred_at: event.occurred_at,
                received_at,
                payload: event.payload.clone(),
            });
        }
        match dead {
            _ if accepted > 0 => (Outcome::Accepted, None),
            Some(reason) => (Outcome::Dead, Some(reason)),
            None => (Outcome::Duplicate, None),
        }
    }

    /// Plans what follows from an event. The error says why nothing can: JSON pointer and reason.
    fn take_event(
        &mut self,
        event: EventId,
        intake: &Intake,
        occurred_at: Timestamp,
        body: &EventBody,
        said: Option<&Said>,
    ) -> Result<(), String> {
        let contexts = self.contexts;
        let nothing_known = Context::default();
        let Intake { origin, way, received_at, .. } = intake;
        let context = contexts.get(&origin.workspace).unwrap_or(&nothing_known);
        let scene = Scene { origin, context, event, way: *way, occurred_at, received_at: *received_at };
        if scene.way == Way::Import {
            self.import(&scene, body, said);
            return Ok(());
        }
        if let EventBody::Record(record) = body {
            self.take_record(&scene, record, said, Before::Shown);
            return Ok(());
        }
        if let (Some(to), Some(reply)) = (reply_to(body), body.interaction()) {
            return self.take_reply(&scene, to, reply);
        }
        if let EventBody::Status(status) = body {
            self.take_status(&scene, status);
            return Ok(());
        }
        let Some(said) = said else { return Ok(()) };
        match body.interaction() {
            Some(interaction) => self.take_interaction(&scene, body.kind(), interaction, said),
            // A notice about a person whom nobody knows is worth keeping, but it makes no contact.
            None if matches!(body, EventBody::Person(_)) => {
                let (contact, changed) = self.resolve(&scene, said, None, None);
                if let (true, Some(lead)) = (changed, self.known.open_lead(contact)) {
                    self.warm(lead, &self.stage_of(contact), false);
                    self.tell(&scene, lead, &Ask::Upsert);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn take_interaction(&mut self, scene: &Scene<'_>, kind: &'static str, interaction: &Interaction, said: &Said) {
        if let Detail::Call(call) = &interaction.detail {
            self.take_call(scene, kind, interaction, said, call);
            return;
        }
        let place = self.place(scene, kind, interaction, said, None);
        let id = self.add(scene, kind, None, interaction.direction, &place);
        if let Some(lead) = place.lead {
            if place.changed {
                self.tell(scene, lead, &Ask::Upsert);
            }
            self.tell(scene, lead, &Ask::Add(id));
        }
    }

    /// Whose an interaction is and where it belongs. A later step of a call stays with the call's person and lead, unless it names
    /// somebody else.
    fn place(&mut self, scene: &Scene<'_>, kind: &str, interaction: &Interaction, said: &Said, call: Option<&CallState>) -> Place {
        let thread = interaction.conversation.as_ref();
        let thread_key = thread.map(|it| (scene.origin.connection, it.key.clone()));
        let talking_to = thread_key.as_ref().and_then(|it| self.known.conversations.get(it)).map(|it| it.contact);
        // Who rang without a number is whoever a later step of the same call names.
        let speaking = call.map(|it| it.contact);
        let unnamed = speaking.filter(|it| self.known.person(*it).is_none_or(|it| it.reach == Reach::Nothing));
        let (contact, person_changed) = self.resolve(scene, said, speaking.or(talking_to), unnamed);
        let conversation = thread_key.map(|key| self.converse(scene, key, thread.and_then(|it| it.title.clone()), contact));
        let (lead, placed, lead_changed) =
            match call.filter(|it| self.known.shown(it.contact) == self.known.shown(contact)).and_then(|it| it.lead) {
                Some(lead) => (Some(lead), Some(Placed::plainly(Done::Joined)), self.warm(lead, &self.stage_of(contact), false)),
                None => self.lead_for(scene, kind, interaction, said, contact),
            };
        let conversation = conversation.or_else(|| call.and_then(|it| it.conversation));
        Place { contact, lead, placed, conversation, changed: lead_changed || person_changed }
    }

    fn add(&mut self, scene: &Scene<'_>, kind: &'static str, call: Option<&Step>, direction: Direction, place: &Place) -> InteractionId {
        let id = self.ids.next();
        self.plan.interactions.push(NewInteraction {
            id,
            workspace: scene.origin.workspace,
            event: scene.event,
            contact: place.contact,
            lead: place.lead,
            placed: place.placed.clone(),
            conversation: place.conversation,
            connection: scene.origin.connection,
            kind,
            call: call.map(|it| it.call.id.clone()),
            direction: direction.as_str(),
            occurred_at: call.map_or(scene.occurred_at, Step::began_at),
            received_at: scene.received_at,
        });
        id
    }

    fn converse(&mut self, scene: &Scene<'_>, key: (ConnectionId, String), title: Option<String>, contact: ContactId) -> ConversationId {
        if let Some(known) = self.known.conversations.get(&key) {
            let last = self.plan.touched_conversations.entry(known.id).or_insert(scene.occurred_at);
            *last = (*last).max(scene.occurred_at);
            return known.id;
        }
        let id = self.ids.next();
        self.plan.conversations.push(NewConversation {
            id,
            workspace: scene.origin.workspace,
            connection: key.0,
            key: key.1.clone(),
            title,
            contact,
            last_at: scene.occurred_at,
        });
        self.known.conversations.insert(key, ConversationState { id, contact });
        id
    }

    /// Every sink hears of it, but for the one that said so.
    fn tell(&mut self, scene: &Scene<'_>, lead: LeadId, ask: &Ask) {
        for sink in scene.context.sinks.iter().filter(|it| **it != scene.origin.connection) {
            self.tell_one(scene, *sink, lead, ask.clone());
        }
    }

    /// A sink hears of it. Of what an import brings none does.
    fn tell_one(&mut self, scene: &Scene<'_>, sink: ConnectionId, lead: LeadId, ask: Ask) {
        if scene.way == Way::Import {
            return;
        }
        self.plan.counted.entry(sink).or_default().created += 1;
        self.plan.outbox.push(NewOutbox {
            id: self.ids.next(),
            workspace: scene.origin.workspace,
            sink,
            lead,
            ask,
            created_at: scene.received_at,
        });
    }
}
