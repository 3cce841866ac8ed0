//! What a sink's record says: of its lead, and of the person.
//!
//! What people of the sink typed in of the person is a contact's, as with any source: `record_of` names the lead whose record it is, and what the contact says
//! changes with the record. It is the lead's person, whatever the record says, unless it names and points at somebody else whom the hub knows.

use std::collections::BTreeSet;

use patchbay_identity::resolve::keys::Key;
use patchbay_identity::same_name;
use patchbay_schemas::{RecordAction, RecordChange, RecordFields, Timestamp};

use super::super::known::Teller;
use super::super::plan::{Ask, Filled, NewVerdict, Retold};
use super::super::{AskedBy, ContactState, NewQuestion, Said, SaidIdentity, Way, canonical};
use super::{Planner, Scene};
use crate::conflict::{self, Field, Heard, Telling};
use crate::ids::{ContactId, LeadId};

/// A sink's contact that more people of the hub have than so many is not one person's, whatever it is called there.
const MOST_OF_ONE: usize = 3;

/// What the record had before its people spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// What the hub shows, as far as it was written.
    Shown,
    /// Nothing of the hub's: it was there first.
    Nothing,
}

impl Planner<'_> {
    /// A sink says what its record holds now. What is new there is the word of its people, and the lead shows the word that holds (`rules/conflict`).
    /// Where that is another one, the sink hears so too.
    pub(super) fn take_record(&mut self, scene: &Scene<'_>, record: &RecordChange, said: Option<&Said>, before: Before) {
        let source = scene.origin.connection;
        let Some(lead) = self.known.references.get(&(source, record.external_id.clone())).copied() else { return };
        if record.action == RecordAction::Deleted {
            self.known.references.remove(&(source, record.external_id.clone()));
            self.plan.deleted.push((source, record.external_id.clone()));
            // It may have been merged into another, which is looked for.
            if scene.context.sinks.contains(&source) {
                self.tell_one(scene, source, lead, Ask::Upsert);
            }
            return;
        }
        let Some(state_before) = self.known.leads.get(&lead).cloned() else { return };
        let telling = match scene.way {
            Way::Receipt { retried: false } => Telling::Before,
            Way::Receipt { retried: true } => Telling::BeforeAgain,
            _ if self.known.in_flight.contains(&(source, lead)) => Telling::Amid,
            _ => Telling::Quiet,
        };
        if let Some(person) = &record.person_ref {
            self.belongs(scene, (lead, state_before.contact), person);
        }
        let heard = Heard { changed_at: scene.occurred_at, heard_at: scene.received_at, telling };
        let region = &scene.context.region;
        let person = record.fields.person.as_ref().map(|it| canonical(it, region));
        let fields = RecordFields { person, ..record.fields.clone() };
        let mut shown = conflict::shown(&state_before);
        if before == Before::Shown {
            let contact = self.known.people.get(&self.known.shown(state_before.contact));
            shown.person = contact.map(|it| canonical(&conflict::person_of(it), region));
        }
        let (sources, name) = (self.known.sources.entry(lead).or_default(), source.to_string());
        sources.entry(name.clone()).or_default().connector.clone_from(&scene.origin.connector);
        let said_before = sources.clone();
        let trusted = &scene.context.settings.trusted;
        let news = conflict::hear(sources, &name, &fields, &shown, heard, trusted);
        let changed = sources.iter().filter(|(name, it)| said_before.get(*name).is_none_or(|said| said.says != it.says));
        self.plan.sayings.extend(changed.map(|(name, it)| ((lead, name.clone()), it.says.clone())));
        let mut state = state_before.clone();
        news.shown.into_iter().for_each(|(field, value)| conflict::show(&mut state, field, value));
        if state != state_before {
            let shown = self.known.shown(state.contact);
            if let Some(contact) = self.known.contacts.get_mut(&shown) {
                contact.leads.insert(lead);
            }
            self.known.leads.insert(lead, state.clone());
            self.change(lead, state);
            self.tell(scene, lead, &Ask::Upsert);
        }
        if news.overruled && scene.context.sinks.contains(&source) {
            self.tell_one(scene, source, lead, Ask::Upsert);
        }
        if !news.person.is_empty() {
            self.retell(scene, lead, said, &news.person);
        }
    }

    /// The record of a lead belongs to this contact of the sink. Where it belonged to another one before, people there put it there; where that is somebody
    /// else's contact, somebody is asked whether the two are one. What many people have in common is nobody's, and what a write that is under way may have done says nothing.
    fn belongs(&mut self, scene: &Scene<'_>, (lead, of): (LeadId, ContactId), person: &str) {
        let sink = scene.origin.connection;
        let before = self.known.persons.get(&(sink, lead)).cloned();
        if before.as_deref() == Some(person) || (before.is_some() && self.known.in_flight.contains(&(sink, lead))) {
            return;
        }
        self.known.persons.insert((sink, lead), person.to_owned());
        self.plan.persons.insert((sink, lead), person.to_owned());
        let there = self.known.of_person.entry((sink, person.to_owned())).or_default();
        let others: Vec<ContactId> = there.iter().filter(|it| it.0 != lead).map(|it| it.1).collect();
        there.push((lead, of));
        let Some(before) = before else { return };
        if let Some(left) = self.known.of_person.get_mut(&(sink, before)) {
            left.retain(|it| it.0 != lead);
        }
        let shown = self.known.shown(of);
        let people: BTreeSet<ContactId> = others.iter().map(|it| self.known.shown(*it)).filter(|it| *it != shown).collect();
        let first = others.into_iter().find(|it| self.known.shown(*it) != shown);
        let Some(other) = first.filter(|_| people.len() <= MOST_OF_ONE) else { return };
        self.plan.questions.push(NewQuestion {
            id: self.ids.next(),
            workspace: scene.origin.workspace,
            one: of.min(other),
            other: of.max(other),
            asked_by: AskedBy::MergedPerson(sink),
            at: scene.received_at,
        });
    }

    /// The contact of a record that was there before the hub knew of it: what the record says, joined to whoever is known by that.
    pub(super) fn introduce(&mut self, scene: &Scene<'_>, said: &Said) -> ContactId {
        let contact = self.meet(scene, said);
        let said = Said { fingerprint: fingerprint(contact), ..said.clone() };
        self.point_at(scene, contact, &said);
        self.join(scene, contact, &said);
        contact
    }

    /// From now on this contact says what the lead's record says.
    pub(super) fn tells_of(&mut self, scene: &Scene<'_>, lead: LeadId, contact: ContactId, said: &Said) {
        let says = Filled { language: said.language.clone(), ..Filled::of(said) };
        if let Some(new) = self.plan.contacts.iter_mut().find(|it| it.id == contact) {
            new.record_of = Some(lead);
        }
        let teller = Teller { contact, says, identities: said.identities.clone() };
        self.known.tellers.insert((scene.origin.connection, lead), teller);
        let Some(of) = self.known.leads.get(&lead).map(|it| it.contact).filter(|it| *it != contact) else { return };
        self.tie_record(scene, contact, of);
    }

    /// The record's people say another thing of the person in these fields.
    fn retell(&mut self, scene: &Scene<'_>, lead: LeadId, said: Option<&Said>, fields: &BTreeSet<Field>) {
        let place = (scene.origin.connection, lead);
        let Some(of) = self.known.leads.get(&lead).map(|it| it.contact) else { return };
        let known = self.known.tellers.get(&place).cloned();
        let (mut says, before) = known.as_ref().map(|it| (it.says.clone(), it.identities.clone())).unwrap_or_default();
        let mut identities = before.clone();
        for field in fields {
            let Some(word) = self.word(scene, lead, *field) else { continue };
            let text = || word.as_str().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
            match field {
                Field::Name => says.name = text(),
                Field::Company => says.company = text(),
                Field::City => says.city = text(),
                _ => {}
            }
            if let Some(kind) = field.kind() {
                let typed = conflict::texts(&word);
                identities.retain(|it| it.key.kind != kind || typed.contains(&it.key.value.as_str()));
                let told = said.into_iter().flat_map(|it| &it.identities).filter(|it| it.key.kind == kind);
                let is_new = |it: &&SaidIdentity| typed.contains(&it.key.value.as_str()) && !before.iter().any(|old| old.key == it.key);
                identities.extend(told.filter(is_new).cloned());
            }
        }
        if known.as_ref().is_none_or(|it| it.says == says && it.identities == identities)
            && (known.is_some() || is_nothing(&says, &identities))
        {
            return;
        }
        let now = Said {
            identities: identities.clone(),
            name: says.name.clone(),
            company: says.company.clone(),
            city: says.city.clone(),
            language: says.language.clone(),
            ..Said::default()
        };
        let is_theirs = self.is_theirs(scene, of, &now);
        let contact = match known {
            Some(it) => {
                self.say_anew(scene, it.contact, &now, &before);
                it.contact
            }
            None => self.meet(scene, &now),
        };
        if let Some(new) = self.plan.contacts.iter_mut().find(|it| it.id == contact) {
            (new.record_of, new.corrects) = (Some(lead), scene.way != Way::Import);
            new.said_at = said_at(scene);
        }
        self.known.tellers.insert(place, Teller { contact, says, identities });
        if is_theirs {
            self.tie_record(scene, contact, of);
        } else {
            self.untie_record(scene, contact, of);
        }
        let new = now.identities.into_iter().filter(|it| !before.iter().any(|old| old.key == it.key)).collect();
        let new = Said { identities: new, fingerprint: fingerprint(contact), ..now };
        self.point_at(scene, contact, &new);
        self.join(scene, contact, &new);
        let shown = self.known.shown(contact);
        self.reshow(shown);
        self.show(of, &new);
        self.warm(lead, &self.stage_of(of), false);
    }

    /// The last word of the source's people about a field.
    fn word(&self, scene: &Scene<'_>, lead: LeadId, field: Field) -> Option<serde_json::Value> {
        let source = self.known.sources.get(&lead)?.get(&scene.origin.connection.to_string())?;
        source.says.get(&field)?.word().map(|it| it.value.clone())
    }

    /// A contact that was there before says this, and nothing of what it had said.
    fn say_anew(&mut self, scene: &Scene<'_>, contact: ContactId, now: &Said, before: &[SaidIdentity]) {
        let gone: Vec<_> = before.iter().filter(|it| !now.identities.contains(it)).map(|it| it.key.clone()).collect();
        let workspace = scene.origin.workspace;
        // Whoever else has it is found behind the batch.
        self.known.identities.retain(|(of, key), holder| *of != workspace || holder.contact != contact || !gone.contains(key));
        self.plan.identities.retain(|it| it.contact != contact || !gone.contains(&it.identity.key));
        let shown = self.known.shown(contact);
        self.known.contacts.entry(shown).or_default().absorb(ContactState::of(now));
        if let Some(new) = self.plan.contacts.iter_mut().find(|it| it.id == contact) {
            (new.says, new.reach, new.said_at) = (Filled::of(now), now.reach(), said_at(scene));
            return;
        }
        let said_at = said_at(scene);
        let retold = Retold { workspace, says: Filled::of(now), reach: now.reach(), said_at, gone, event: scene.event };
        match self.plan.retold.get_mut(&contact) {
            Some(it) => {
                let gone = std::mem::take(&mut it.gone);
                *it = retold;
                it.gone.extend(gone);
            }
            None => {
                self.plan.retold.insert(contact, retold);
            }
        }
    }

    /// False: the record names somebody else than the lead's person, and points at whoever is known by that name.
    fn is_theirs(&self, scene: &Scene<'_>, of: ContactId, now: &Said) -> bool {
        let fits = |names: &[String], name: &str| names.iter().any(|it| same_name(it, name));
        let (Some(name), Some(person)) = (&now.name, self.known.person(of)) else { return true };
        if person.names.is_empty() || fits(&person.names, name) {
            return true;
        }
        let other = |it: &SaidIdentity| {
            let holders = self.known.holders.get(&(scene.origin.workspace, it.key.clone()));
            holders.into_iter().flatten().any(|holder| {
                self.known.shown(*holder) != self.known.shown(of)
                    && self.known.person(*holder).is_some_and(|person| fits(&person.names, name))
            })
        };
        !now.identities.iter().any(other)
    }

    /// Both are one person as long as the record says nothing else, whatever points at either.
    fn tie_record(&mut self, scene: &Scene<'_>, contact: ContactId, of: ContactId) {
        let (here, there) = (self.known.shown(contact), self.known.shown(of));
        let is_guarded = |it: &ContactId| self.known.contacts.get(it).is_some_and(|it| it.guarded);
        let is_new = self.plan.contacts.iter().any(|it| it.id == contact);
        if contact == of || (here == there && !is_new) || (!is_new && (is_guarded(&here) || is_guarded(&there))) {
            return;
        }
        if here != there {
            self.merge(scene, contact, of, Vec::new());
        }
        self.plan.verdicts.push(NewVerdict { workspace: scene.origin.workspace, one: contact, other: of, at: scene.received_at });
    }

    /// Somebody is asked whether they are one all the same.
    fn untie_record(&mut self, scene: &Scene<'_>, contact: ContactId, of: ContactId) {
        if contact == of {
            return;
        }
        self.plan.verdicts.retain(|it| (it.one, it.other) != (contact, of));
        let (one, other) = (contact.min(of), contact.max(of));
        self.plan.untied.push((one, other));
        self.plan.questions.push(NewQuestion {
            id: self.ids.next(),
            workspace: scene.origin.workspace,
            one,
            other,
            asked_by: AskedBy::Record,
            at: scene.received_at,
        });
    }

    /// What the batch takes for shown of the lead's person from now on: the next record that tells the same says nothing new.
    fn show(&mut self, of: ContactId, now: &Said) {
        let shown = self.known.shown(of);
        let Some(person) = self.known.people.get_mut(&shown) else { return };
        for (place, said) in [(&mut person.name, &now.name), (&mut person.company, &now.company), (&mut person.city, &now.city)] {
            if said.is_some() {
                place.clone_from(said);
            }
        }
    }
}

/// A contact of a record says what the record says now: it is known by its own name, not by what it says.
fn fingerprint(contact: ContactId) -> String {
    format!("{:016x}", Key::of("record", &[contact.to_string().as_bytes()]).0)
}

/// When its people said so. Many CRMs tell whole seconds: what was typed in within one came behind what they had before them.
fn said_at(scene: &Scene<'_>) -> Timestamp {
    let at = scene.occurred_at;
    let whole = at.as_millisecond() % 1_000 == 0;
    let at = if whole { Timestamp::from_millisecond(at.as_millisecond() + 999).unwrap_or(at) } else { at };
    at.min(scene.received_at)
}

fn is_nothing(says: &Filled, identities: &[SaidIdentity]) -> bool {
    *says == Filled::default() && identities.is_empty()
}

impl Filled {
    fn of(said: &Said) -> Self {
        let Said { name, company, city, language, .. } = said.clone();
        Self { name, company, city, language }
    }
}
