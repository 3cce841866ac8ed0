//! Leads: which one an interaction belongs to, and what becomes of it.

use patchbay_schemas::{Direction, Interaction, Qualification, RecordChange, RecordFields, Stage, Temperature, Timestamp};

use super::super::plan::{Ask, NewLead};
use super::super::{LeadState, Said};
use super::{Context, Planner, Scene};
use crate::ids::{ContactId, LeadId, WorkspaceId};

/// Longest title of a lead, characters.
const MAX_TITLE: usize = 120;

impl Planner<'_> {
    /// The lead that an interaction belongs to. Only what a person does opens one; what we do joins the open one. True: it changed.
    pub(super) fn lead_for(
        &mut self,
        scene: &Scene<'_>,
        kind: &str,
        interaction: &Interaction,
        said: &Said,
        contact: ContactId,
    ) -> (Option<LeadId>, bool) {
        let stage = self.stage_of(contact);
        let state = self.known.person_mut(contact);
        let hot = matches!(kind, "call" | "form");
        if let Some(open) = state.open_lead {
            return (Some(open), self.warm(open, &stage, hot && interaction.direction == Direction::In));
        }
        if interaction.direction == Direction::Out {
            return (None, false);
        }
        let id = self.ids.next();
        let who = said.name.as_deref().or(state.names.first().map(String::as_str));
        let title = title(who, said.company.as_deref(), interaction.text.as_deref(), &scene.origin.channel);
        let lead = LeadState {
            temperature: if hot { Temperature::Hot } else { Temperature::Cold },
            ..LeadState::opened(scene.context, scene.origin.workspace, contact, title, stage, scene.received_at)
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

    pub(super) fn stage_of(&self, contact: ContactId) -> Stage {
        let is_person = self.known.person(contact).is_some_and(|it| it.reachable || !it.names.is_empty());
        if is_person { Stage::Lead } else { Stage::Interest }
    }

    /// An open lead gets no colder and goes no step back.
    pub(super) fn warm(&mut self, lead: LeadId, stage: &Stage, hot: bool) -> bool {
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
    pub(super) fn take_record(&mut self, scene: &Scene<'_>, record: &RecordChange) {
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
        let shown = self.known.shown(state.contact);
        if let Some(contact) = self.known.contacts.get_mut(&shown) {
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
}

/// The minute that a time lies in. People make appointments by the minute, and so do CRMs: one that tells us our own appointment again
/// must not seem to have moved it.
fn minute(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()
}

impl LeadState {
    /// A lead as it is opened: cold, answered for by whom the workspace names, to be contacted within the time that it sets.
    #[must_use]
    pub fn opened(context: &Context, workspace: WorkspaceId, contact: ContactId, title: String, stage: Stage, at: Timestamp) -> Self {
        let within = i64::from(context.settings.contact_within_minutes) * 60;
        Self {
            workspace,
            contact,
            title,
            stage,
            responsible: context.settings.responsible.clone(),
            next_contact_at: at.checked_add(jiff::SignedDuration::from_secs(within)).ok().and_then(minute),
            qualification: Qualification::Unknown,
            temperature: Temperature::Cold,
            tags: Vec::new(),
        }
    }
}

/// What a lead is about, for people: who, else what was said, else where it came from.
#[must_use]
pub fn title(name: Option<&str>, company: Option<&str>, text: Option<&str>, channel: &str) -> String {
    let said = || text.map(str::trim).filter(|it| !it.is_empty());
    let who = name.or(company).or_else(said).unwrap_or("?");
    let who = who.lines().next().unwrap_or(who);
    let short: String = who.chars().take(MAX_TITLE).collect();
    format!("{short} ({channel})")
}
