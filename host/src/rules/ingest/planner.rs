//! Plans a batch, delivery by delivery.

use std::collections::HashMap;

use patchbay_schemas::{
    Detail, Direction, EventBody, Interaction, Person, Qualification, RecordChange, RecordFields, Responsible, Stage, Temperature,
    Timestamp,
};

use patchbay_schemas::interaction::Call;

use super::plan::{
    Ask, ChangedCall, NewClaim, NewContact, NewConversation, NewDelivery, NewEvent, NewIdentity, NewInteraction, NewLead, NewOutbox, Plan,
    Repeated,
};
use super::{
    CallState, CheckedEvent, Committed, ContactState, ConversationState, Intake, Known, LeadState, Origin, Outcome, Reading, Step, Way,
    call, people,
};
use crate::ids::{ConnectionId, ContactId, ConversationId, DeliveryId, EventId, Ids, InteractionId, LeadId, WorkspaceId};
use crate::rules::identity::{Heard, normalise};

/// Longest title of a lead, characters.
const MAX_TITLE: usize = 120;

/// What a workspace decides about its leads.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who answers for a new lead. None: it is shown as a fault until somebody does.
    pub responsible: Option<Responsible>,
    /// Minutes within which a person who turned to us is contacted.
    pub contact_within_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { responsible: None, contact_within_minutes: 60 }
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
    conversation: Option<ConversationId>,
    /// Something that the sinks show of person or lead is new.
    changed: bool,
}

/// What is the same for everything that one event brings.
struct Scene<'a> {
    origin: &'a Origin,
    context: &'a Context,
    event: EventId,
    occurred_at: Timestamp,
    received_at: Timestamp,
}

impl<'a> Planner<'a> {
    /// Nothing is planned yet.
    #[must_use]
    pub fn new(ids: &'a Ids, contexts: &'a HashMap<WorkspaceId, Context>, known: Known) -> Self {
        Self { ids, contexts, known, plan: Plan::default() }
    }

    /// Plans one delivery and says what becomes of it.
    pub fn take(&mut self, intake: &Intake) -> Committed {
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
            Reading::Events(events) => {
                let delivery = (way != Way::Sent).then_some(id);
                self.take_events(delivery, origin, received_at, events)
            }
        };
        if way == Way::Sent {
            return Committed { outcome, kept: true };
        }
        let counted = self.plan.counted.entry(origin.connection).or_default();
        counted.delivery(outcome);
        if let Some(cursor) = &intake.cursor {
            self.plan.cursors.insert(origin.connection, cursor.clone());
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
        });
        Committed { outcome, kept: true }
    }

    fn take_events(
        &mut self,
        delivery: Option<DeliveryId>,
        origin: &Origin,
        received_at: Timestamp,
        events: &[CheckedEvent],
    ) -> (Outcome, Option<String>) {
        let (mut accepted, mut dead) = (0, None);
        for event in events {
            if !self.known.events.insert((origin.connection, event.key.clone())) {
                continue;
            }
            let id = self.ids.next();
            match &event.body {
                Ok(body) => {
                    accepted += 1;
                    self.take_event(id, origin, received_at, event.occurred_at, body);
                }
                Err(fault) => dead = Some(format!("event.schema: {fault}")),
            }
            self.plan.events.push(NewEvent {
                id,
                workspace: origin.workspace,
                connection: origin.connection,
                delivery,
                key: event.key.clone(),
                kind: event.kind.clone(),
                dead: event.body.as_ref().err().cloned(),
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

    fn take_event(&mut self, event: EventId, origin: &Origin, received_at: Timestamp, occurred_at: Option<Timestamp>, body: &EventBody) {
        let contexts = self.contexts;
        let nothing_known = Context::default();
        let context = contexts.get(&origin.workspace).unwrap_or(&nothing_known);
        let scene = Scene { origin, context, event, occurred_at: occurred_at.unwrap_or(received_at), received_at };
        if let EventBody::Record(record) = body {
            self.take_record(&scene, record);
            return;
        }
        let Some(person) = people::person(body) else { return };
        match body.interaction() {
            Some(interaction) => self.take_interaction(&scene, body.kind(), interaction, person),
            // A notice about a person whom nobody knows is worth keeping, but it makes no contact.
            None if matches!(body, EventBody::Person(_)) => {
                let (contact, changed) = self.resolve(&scene, person, None, None);
                if let (true, Some(lead)) = (changed, self.known.contacts.get(&contact).and_then(|it| it.open_lead)) {
                    self.tell(&scene, lead, Ask::Upsert);
                }
            }
            None => {}
        }
    }

    fn take_interaction(&mut self, scene: &Scene<'_>, kind: &'static str, interaction: &Interaction, person: &Person) {
        if let Detail::Call(call) = &interaction.detail {
            self.take_call(scene, kind, interaction, person, call);
            return;
        }
        let place = self.place(scene, kind, interaction, person, None);
        let id = self.add(scene, kind, None, interaction.direction, &place);
        if let Some(lead) = place.lead {
            if place.changed {
                self.tell(scene, lead, Ask::Upsert);
            }
            self.tell(scene, lead, Ask::Add(id));
        }
    }

    /// All steps of a call are one interaction, which shows the newest. Its lead is told at once; its end goes into the sinks' history
    /// when it is known, and once more only if the vendor corrects it.
    fn take_call(&mut self, scene: &Scene<'_>, kind: &'static str, interaction: &Interaction, person: &Person, call: &Call) {
        let key = call::key(scene.origin.connection, call);
        let step = Step { at: scene.occurred_at, call: call.clone() };
        let before = self.known.calls.get(&key).cloned();
        let place = self.place(scene, kind, interaction, person, before.as_ref());
        let (interaction, told) = match &before {
            None => (self.add(scene, kind, Some(&step), interaction.direction, &place), None),
            Some(it) => (it.interaction, it.step.outcome().map(|outcome| (outcome, it.lead))),
        };
        let is_newest = before.as_ref().is_none_or(|it| step.is_newer_than(&it.step));
        let began_at = before.as_ref().map_or(step.began_at(), |it| it.began_at.min(step.began_at()));
        self.plan.call_steps.push((scene.event, interaction));
        let now = match before {
            Some(it) if !is_newest => CallState { began_at, ..it },
            _ => {
                let Place { contact, lead, conversation, .. } = place;
                CallState { interaction, contact, lead, conversation, began_at, step }
            }
        };
        self.change_call(&now, is_newest.then_some(scene.event));
        if let Some(lead) = now.lead {
            if place.changed {
                self.tell(scene, lead, Ask::Upsert);
            }
            let outcome = now.step.outcome().map(|outcome| (outcome, now.lead));
            if outcome.is_some() && outcome != told {
                self.tell(scene, lead, Ask::Add(interaction));
            }
        }
        self.known.calls.insert(key, now);
    }

    fn change_call(&mut self, now: &CallState, event: Option<EventId>) {
        let CallState { interaction, contact, lead, conversation, began_at, .. } = *now;
        if let Some(new) = self.plan.interactions.iter_mut().rev().find(|it| it.id == interaction) {
            new.event = event.unwrap_or(new.event);
            (new.contact, new.lead, new.conversation, new.occurred_at) = (contact, lead, conversation, began_at);
            return;
        }
        let earlier = self.plan.changed_calls.get(&interaction).and_then(|it| it.event);
        let changed = ChangedCall { event: event.or(earlier), contact, lead, conversation, occurred_at: began_at };
        self.plan.changed_calls.insert(interaction, changed);
    }

    /// Whose an interaction is and where it belongs. A later step of a call stays with the call's person and lead, unless it names
    /// somebody else.
    fn place(&mut self, scene: &Scene<'_>, kind: &str, interaction: &Interaction, person: &Person, call: Option<&CallState>) -> Place {
        let thread = interaction.conversation.as_ref();
        let thread_key = thread.map(|it| (scene.origin.connection, it.key.clone()));
        let talking_to = thread_key.as_ref().and_then(|it| self.known.conversations.get(it)).map(|it| it.contact);
        // Who rang without a number is whoever a later step of the same call names.
        let speaking = call.map(|it| it.contact);
        let unnamed = speaking.filter(|it| !self.known.contacts.get(it).is_some_and(|it| it.reachable));
        let (contact, person_changed) = self.resolve(scene, person, speaking.or(talking_to), unnamed);
        let conversation = thread_key.map(|key| self.converse(scene, key, thread.and_then(|it| it.title.clone()), contact));
        let (lead, lead_changed) = match call.filter(|it| it.contact == contact).and_then(|it| it.lead) {
            Some(lead) => (Some(lead), self.warm(lead, &self.stage_of(contact), false)),
            None => self.lead_for(scene, kind, interaction, contact),
        };
        let conversation = conversation.or_else(|| call.and_then(|it| it.conversation));
        Place { contact, lead, conversation, changed: lead_changed || person_changed }
    }

    fn add(&mut self, scene: &Scene<'_>, kind: &'static str, call: Option<&Step>, direction: Direction, place: &Place) -> InteractionId {
        let id = self.ids.next();
        self.plan.interactions.push(NewInteraction {
            id,
            workspace: scene.origin.workspace,
            event: scene.event,
            contact: place.contact,
            lead: place.lead,
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

    /// Whose this is. Two contacts that share an identity become one. True: something about the person is new.
    ///
    /// `unnamed` is somebody without any identity who is this person for sure.
    fn resolve(
        &mut self,
        scene: &Scene<'_>,
        person: &Person,
        talking_to: Option<ContactId>,
        unnamed: Option<ContactId>,
    ) -> (ContactId, bool) {
        let origin = scene.origin;
        let connection = origin.connection.to_string();
        let heard = Heard { region: &scene.context.region, connector: &origin.connector, connection: &connection, handles: origin.handles };
        let identities: Vec<_> = person.identities.iter().filter_map(|it| Some((normalise(it, heard)?, it))).collect();
        let mut found: Vec<ContactId> =
            identities.iter().filter_map(|(it, _)| self.known.identities.get(&(origin.workspace, it.key.clone())).copied()).collect();
        if !identities.is_empty() {
            found.extend(unnamed);
        }
        found.sort_unstable();
        found.dedup();
        let mut changed = false;
        let contact = match found.split_first() {
            Some((oldest, others)) => {
                for other in others {
                    self.merge(*other, *oldest);
                    changed = true;
                }
                *oldest
            }
            None => match talking_to {
                Some(contact) if identities.is_empty() => contact,
                _ => self.meet(scene),
            },
        };
        self.known.contacts.entry(contact).or_default().reachable |= !identities.is_empty();
        for (normal, identity) in identities {
            let place = (origin.workspace, normal.key);
            if self.known.identities.contains_key(&place) {
                continue;
            }
            changed = true;
            self.plan.identities.push(NewIdentity {
                workspace: origin.workspace,
                key: place.1.clone(),
                shown: normal.shown,
                contact,
                assurance: identity.assurance,
                label: identity.label.clone(),
                connection: origin.connection,
                created_at: scene.received_at,
            });
            self.known.identities.insert(place, contact);
        }
        (contact, self.claim(scene, contact, person) || changed)
    }

    fn meet(&mut self, scene: &Scene<'_>) -> ContactId {
        let id = self.ids.next();
        self.plan.contacts.push(NewContact { id, workspace: scene.origin.workspace, created_at: scene.received_at });
        self.known.contacts.insert(id, ContactState::default());
        id
    }

    /// Shows `from` as `into` from now on. Nothing of it is changed, so that it can be taken back.
    fn merge(&mut self, from: ContactId, into: ContactId) {
        self.plan.merges.push((from, into));
        for contact in self.known.identities.values_mut().filter(|it| **it == from) {
            *contact = into;
        }
        for conversation in self.known.conversations.values_mut().filter(|it| it.contact == from) {
            conversation.contact = into;
        }
        for call in self.known.calls.values_mut().filter(|it| it.contact == from) {
            call.contact = into;
        }
        let Some(merged) = self.known.contacts.get(&from).cloned() else { return };
        let Some(shown) = self.known.contacts.get_mut(&into) else { return };
        // The older lead goes on; the younger stays where it is, in the history and in the sinks.
        shown.reachable |= merged.reachable;
        shown.open_lead = [shown.open_lead, merged.open_lead].into_iter().flatten().min();
        let mut filled = false;
        for (ours, theirs) in [
            (&mut shown.name, merged.name),
            (&mut shown.company, merged.company),
            (&mut shown.city, merged.city),
            (&mut shown.language, merged.language),
        ] {
            if ours.is_none() && theirs.is_some() {
                *ours = theirs;
                filled = true;
            }
        }
        if filled {
            self.plan.changed_contacts.insert(into);
        }
    }

    /// Keeps what is said of a person; what nobody said before is shown. True: something new is shown.
    fn claim(&mut self, scene: &Scene<'_>, contact: ContactId, person: &Person) -> bool {
        let mut changed = false;
        let state = self.known.contacts.entry(contact).or_default();
        for (field, value) in people::claims(person) {
            let shown = state.shown(field);
            if shown.as_ref() == Some(&value) {
                continue;
            }
            if shown.is_none() {
                *shown = Some(value.clone());
                changed = true;
            }
            self.plan.claims.push(NewClaim {
                workspace: scene.origin.workspace,
                contact,
                field,
                value,
                connection: scene.origin.connection,
                claimed_at: scene.occurred_at,
            });
        }
        if changed {
            self.plan.changed_contacts.insert(contact);
        }
        changed
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

    /// The lead that an interaction belongs to. Only what a person does opens one; what we do joins the open one. True: it changed.
    fn lead_for(&mut self, scene: &Scene<'_>, kind: &str, interaction: &Interaction, contact: ContactId) -> (Option<LeadId>, bool) {
        let stage = self.stage_of(contact);
        let state = self.known.contacts.entry(contact).or_default();
        let hot = matches!(kind, "call" | "form");
        if let Some(open) = state.open_lead {
            return (Some(open), self.warm(open, &stage, hot && interaction.direction == Direction::In));
        }
        if interaction.direction == Direction::Out {
            return (None, false);
        }
        let id = self.ids.next();
        let within = i64::from(scene.context.settings.contact_within_minutes) * 60;
        let lead = LeadState {
            workspace: scene.origin.workspace,
            contact,
            title: title(state, interaction, &scene.origin.channel),
            stage,
            responsible: scene.context.settings.responsible.clone(),
            next_contact_at: scene.received_at.checked_add(jiff::SignedDuration::from_secs(within)).ok().and_then(minute),
            qualification: Qualification::Unknown,
            temperature: if hot { Temperature::Hot } else { Temperature::Cold },
            tags: Vec::new(),
        };
        state.open_lead = Some(id);
        self.known.leads.insert(id, lead.clone());
        self.plan.leads.push(NewLead {
            id,
            state: lead,
            channel: scene.origin.channel.clone(),
            connection: scene.origin.connection,
            source: serde_json::to_string(&interaction.source).expect("a source is plain text in maps"),
            created_at: scene.received_at,
        });
        (Some(id), true)
    }

    fn stage_of(&self, contact: ContactId) -> Stage {
        let is_person = self.known.contacts.get(&contact).is_some_and(|it| it.reachable || it.name.is_some());
        if is_person { Stage::Lead } else { Stage::Interest }
    }

    /// An open lead gets no colder and goes no step back.
    fn warm(&mut self, lead: LeadId, stage: &Stage, hot: bool) -> bool {
        let Some(state) = self.known.leads.get_mut(&lead) else { return false };
        let before = state.clone();
        if state.stage == Stage::Interest {
            state.stage = stage.clone();
        }
        if hot {
            state.temperature = Temperature::Hot;
        }
        if *state == before {
            return false;
        }
        let state = state.clone();
        self.change(lead, state);
        true
    }

    /// A sink says what its record holds now. An echo of what we wrote changes nothing, so nothing follows from it.
    fn take_record(&mut self, scene: &Scene<'_>, record: &RecordChange) {
        let Some(lead) = self.known.references.get(&(scene.origin.connection, record.external_id.clone())).copied() else { return };
        let Some(state) = self.known.leads.get_mut(&lead) else { return };
        let before = state.clone();
        let RecordFields { stage, responsible, title, next_contact_at, tags, person: _ } = record.fields.clone();
        state.stage = stage.unwrap_or_else(|| before.stage.clone());
        state.responsible = responsible.or_else(|| before.responsible.clone());
        state.title = title.filter(|it| !it.trim().is_empty()).unwrap_or_else(|| before.title.clone());
        state.next_contact_at = next_contact_at.or(before.next_contact_at);
        state.tags = tags.unwrap_or_else(|| before.tags.clone());
        if *state == before {
            return;
        }
        let state = state.clone();
        if let Some(contact) = self.known.contacts.get_mut(&state.contact) {
            if state.stage.is_open() {
                contact.open_lead = Some(contact.open_lead.map_or(lead, |it| it.min(lead)));
            } else if contact.open_lead == Some(lead) {
                contact.open_lead = None;
            }
        }
        self.change(lead, state);
        self.tell(scene, lead, Ask::Upsert);
    }

    fn change(&mut self, lead: LeadId, state: LeadState) {
        match self.plan.leads.iter_mut().find(|it| it.id == lead) {
            Some(new) => new.state = state,
            None => {
                self.plan.changed_leads.insert(lead, state);
            }
        }
    }

    /// Every sink hears of it, but for the one that said so.
    fn tell(&mut self, scene: &Scene<'_>, lead: LeadId, ask: Ask) {
        for sink in scene.context.sinks.iter().filter(|it| **it != scene.origin.connection) {
            self.plan.counted.entry(*sink).or_default().created += 1;
            self.plan.outbox.push(NewOutbox {
                id: self.ids.next(),
                workspace: scene.origin.workspace,
                sink: *sink,
                lead,
                ask,
                created_at: scene.received_at,
            });
        }
    }
}

/// The minute that a time lies in. People make appointments by the minute, and so do CRMs: one that tells us our own appointment again
/// must not seem to have moved it.
fn minute(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()
}

/// What a lead is about, for people: who, else what was said, else where it came from.
fn title(contact: &ContactState, interaction: &Interaction, channel: &str) -> String {
    let said = || interaction.text.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let who = contact.name.as_deref().or(contact.company.as_deref()).or_else(said).unwrap_or("?");
    let who = who.lines().next().unwrap_or(who);
    let short: String = who.chars().take(MAX_TITLE).collect();
    format!("{short} ({channel})")
}
