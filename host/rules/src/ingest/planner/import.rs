//! What a vendor knew before the hub asked: people, and their open leads. No sink hears of it.

use patchbay_schemas::{EventBody, RecordChange, RecordFields, Source};

use super::super::plan::{Imported, NewLead, NewReference};
use super::super::returning::History;
use super::super::{LeadState, Said};
use super::leads::title;
use super::records::Before;
use super::{Planner, Scene};
use crate::ids::{ContactId, LeadId};

impl Planner<'_> {
    /// Takes a record or a person; anything else is kept as an event, and nothing follows from it.
    pub(super) fn import(&mut self, scene: &Scene<'_>, body: &EventBody, said: Option<&Said>) {
        let (reshown, merges) = (self.plan.reshown.clone(), self.plan.merges.len());
        let brought = match body {
            EventBody::Record(record) => self.import_record(scene, record, said),
            EventBody::Person(_) => Imported { people: self.import_person(scene, said).map_or(0, |(_, new)| i64::from(new)), ..ONE },
            _ => Imported::default(),
        };
        // Nobody is told that these people are shown otherwise, as nobody is told of anything that an import brings.
        self.plan.reshown = reshown;
        for merge in &mut self.plan.merges[merges..] {
            merge.people.iter_mut().for_each(|(_, leads)| leads.clear());
        }
        self.plan.imported.entry(scene.origin.connection).or_default().add(brought);
    }

    /// A record that the hub knows is one that changed. Another one is, where it is open, the record of a lead of its person that has none
    /// there; else it becomes a lead.
    fn import_record(&mut self, scene: &Scene<'_>, record: &RecordChange, said: Option<&Said>) -> Imported {
        let connection = scene.origin.connection;
        if self.known.references.contains_key(&(connection, record.external_id.clone())) {
            self.take_record(scene, record, said, Before::Shown);
            return ONE;
        }
        let made_for = record.lead.as_deref().and_then(|it| it.parse().ok());
        let made_for = made_for.filter(|it| self.known.leads.get(it).is_some_and(|it| it.workspace == scene.origin.workspace));
        if let Some(lead) = made_for {
            self.bind(scene, lead, record, said, Before::Shown);
            return Imported { joined: 1, ..ONE };
        }
        let Some(stage) = record.fields.stage.clone().filter(patchbay_schemas::Stage::is_open) else {
            // Of what is over only the person matters.
            return Imported { people: self.import_person(scene, said).map_or(0, |(_, new)| i64::from(new)), ..ONE };
        };
        let nothing = Said::default();
        let said = said.unwrap_or(&nothing);
        let contact = self.introduce(scene, said);
        let people = i64::from(self.known.shown(contact) == contact);
        if let Some(lead) = self.unbound_lead(scene, contact) {
            self.tells_of(scene, lead, contact, said);
            self.bind(scene, lead, record, Some(said), Before::Nothing);
            return Imported { people, joined: 1, ..ONE };
        }
        let RecordFields { responsible, title: called, next_contact_at, tags, .. } = record.fields.clone();
        let called = called.filter(|it| !it.trim().is_empty());
        let state = LeadState {
            stage,
            responsible,
            next_contact_at,
            tags: tags.unwrap_or_default(),
            title: called.unwrap_or_else(|| title(said.name.as_deref(), said.company.as_deref(), None, &scene.origin.channel)),
            ..LeadState::opened(
                scene.context,
                scene.origin.workspace,
                contact,
                String::new(),
                patchbay_schemas::Stage::Interest,
                scene.occurred_at,
            )
        };
        let id: LeadId = self.ids.next();
        self.known.person_mut(contact).leads.insert(id);
        self.known.leads.insert(id, state.clone());
        if !scene.context.settings.returning.is_empty() {
            let history = History { channel: scene.origin.channel.clone(), form: None, active_at: scene.occurred_at };
            self.known.histories.insert(id, history);
        }
        self.plan.leads.push(NewLead {
            id,
            state,
            channel: scene.origin.channel.clone(),
            connection,
            source: Source::default(),
            form: None,
            created_at: scene.received_at,
        });
        self.tells_of(scene, id, contact, said);
        self.bind(scene, id, record, Some(said), Before::Nothing);
        Imported { people, leads: 1, ..ONE }
    }

    /// Whom something points at; a name alone is nobody. True: the hub had not heard of the person.
    fn import_person(&mut self, scene: &Scene<'_>, said: Option<&Said>) -> Option<(ContactId, bool)> {
        let said = said.filter(|it| !it.identities.is_empty())?;
        let (contact, new) = self.know(scene, said);
        if let Some(lead) = self.known.open_lead(contact) {
            self.warm(lead, &self.stage_of(contact), false);
        }
        Some((contact, new))
    }

    /// The contact that says this. True: the hub had not heard of the person.
    fn know(&mut self, scene: &Scene<'_>, said: &Said) -> (ContactId, bool) {
        let (contact, changed) = self.resolve(scene, said, None, None);
        (contact, changed && self.known.shown(contact) == contact)
    }

    /// The person's oldest open lead that has no record in the sink that is imported.
    fn unbound_lead(&self, scene: &Scene<'_>, contact: ContactId) -> Option<LeadId> {
        let leads = self.known.person(contact)?.leads.iter().copied();
        let is_open = |it: &LeadId| self.known.leads.get(it).is_some_and(|it| it.stage.is_open());
        leads.filter(is_open).find(|it| !self.known.bound.contains(&(scene.origin.connection, *it)))
    }

    /// From now on the record is that of the lead, and what stands there is the word of its people.
    fn bind(&mut self, scene: &Scene<'_>, lead: LeadId, record: &RecordChange, said: Option<&Said>, before: Before) {
        let connection = scene.origin.connection;
        self.known.references.insert((connection, record.external_id.clone()), lead);
        self.known.bound.insert((connection, lead));
        self.plan.references.push(NewReference { connection, lead, remote: record.external_id.clone() });
        self.take_record(scene, record, said, before);
    }
}

const ONE: Imported = Imported { records: 1, people: 0, leads: 0, joined: 0 };

impl Imported {
    fn add(&mut self, more: Self) {
        self.records += more.records;
        self.people += more.people;
        self.leads += more.leads;
        self.joined += more.joined;
    }
}
