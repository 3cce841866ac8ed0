//! Leads: which one an interaction belongs to, and what becomes of it.

use patchbay_schemas::{Detail, Direction, Interaction, Qualification, Stage, Temperature, Timestamp};

use super::super::plan::NewLead;
use super::super::returning::{Done, History, Placed, Then, Turn, judge};
use super::super::{LeadState, Reach, Said};
use super::{Context, Planner, Scene};
use crate::ids::{ContactId, LeadId, WorkspaceId};
use crate::link::{attributed, with_source};

/// Longest title of a lead, characters.
const MAX_TITLE: usize = 120;

impl Planner<'_> {
    /// The lead that an interaction belongs to, and why. Only what a person does opens one; what we or machines do joins the open one.
    /// True: it changed.
    pub(super) fn lead_for(
        &mut self,
        scene: &Scene<'_>,
        kind: &str,
        interaction: &Interaction,
        said: &Said,
        contact: ContactId,
    ) -> (Option<LeadId>, Option<Placed>, bool) {
        let stage = self.stage_of(contact);
        let inbound = interaction.direction == Direction::In && !is_automatic(&interaction.detail);
        let hot = inbound && matches!(kind, "call" | "form");
        let form = form(interaction);
        let turn = Turn { channel: &scene.origin.channel, form, at: scene.received_at };
        let (lead, placed) = self.meant(contact, said).unwrap_or_else(|| self.choose(scene, contact, &turn, inbound));
        if let Some(lead) = lead {
            let reopened = placed.done == Done::Reopened && self.reopen(scene, lead, &stage);
            let warmed = self.warm(lead, &stage, hot);
            let attributed = self.attribute(lead, said);
            return (Some(lead), Some(placed), reopened || warmed || attributed);
        }
        if !inbound {
            return (None, None, false);
        }
        let id = self.ids.next();
        let state = self.known.person_mut(contact);
        let who = said.name.as_deref().or(state.names.first().map(String::as_str));
        let title = title(who, said.company.as_deref(), interaction.text.as_deref(), &scene.origin.channel);
        let lead = LeadState {
            temperature: if hot { Temperature::Hot } else { Temperature::Cold },
            ..LeadState::opened(scene.context, scene.origin.workspace, contact, title, stage, scene.received_at)
        };
        state.leads.insert(id);
        let link = said.tie.as_ref().map(|it| it.source.clone()).unwrap_or_default();
        let source = with_source(interaction.source.clone(), &link);
        if !scene.context.settings.returning.is_empty() {
            let history = History { channel: turn.channel.to_owned(), form: form.map(str::to_owned), active_at: turn.at };
            self.known.histories.insert(id, history);
        }
        self.known.leads.insert(id, lead.clone());
        self.plan.leads.push(NewLead {
            id,
            state: lead,
            channel: scene.origin.channel.clone(),
            connection: scene.origin.connection,
            source,
            form: form.map(str::to_owned),
            created_at: scene.received_at,
        });
        (Some(id), Some(placed), true)
    }

    /// A lead that is there already has the campaign of the link that its person opens, where none was known. True: it may be told.
    fn attribute(&mut self, lead: LeadId, said: &Said) -> bool {
        let Some(tie) = said.tie.as_ref().filter(|it| !it.source.is_empty()) else { return false };
        let known = match self.plan.leads.iter_mut().find(|it| it.id == lead) {
            Some(new) => &mut new.source,
            None => self.plan.attributed.entry(lead).or_default(),
        };
        *known = attributed(std::mem::take(known), &tie.source);
        true
    }

    /// The lead that a link was made for, while it is open and its person's who opened the link.
    fn meant(&self, contact: ContactId, said: &Said) -> Option<(Option<LeadId>, Placed)> {
        let tie = said.tie.as_ref()?;
        let lead = tie.lead?;
        let open = self.known.leads.get(&lead).is_some_and(|it| it.stage.is_open());
        let theirs = self.known.person(contact).is_some_and(|it| it.leads.contains(&lead));
        let placed = Placed { done: Done::Joined, rule: Some(format!("link {}", tie.link)) };
        (open && theirs).then_some((Some(lead), placed))
    }

    /// Which of a person's leads an interaction belongs to; none: a new one. What we do ourselves is no matter of rules.
    fn choose(&mut self, scene: &Scene<'_>, contact: ContactId, turn: &Turn<'_>, inbound: bool) -> (Option<LeadId>, Placed) {
        let rules = &scene.context.settings.returning;
        if rules.is_empty() || !inbound {
            let open = self.known.open_lead(contact);
            let done = if open.is_some() { Done::Joined } else { Done::Opened };
            return (open, Placed::plainly(done));
        }
        let leads: Vec<LeadId> = self.known.person(contact).map(|it| it.leads.iter().copied().collect()).unwrap_or_default();
        let is_open = |it: &LeadId| self.known.leads.get(it).is_some_and(|it| it.stage.is_open());
        let (open, closed): (Vec<LeadId>, Vec<LeadId>) = leads.into_iter().partition(is_open);
        let mut passed = None;
        for lead in open.into_iter().chain(closed.last().copied()) {
            let (Some(state), Some(history)) = (self.known.leads.get(&lead), self.known.histories.get_mut(&lead)) else { continue };
            let (then, rule) = judge(rules, &state.stage, history, turn);
            let done = match then {
                Then::Open => {
                    passed = rule.or(passed);
                    continue;
                }
                Then::Join => Done::Joined,
                Then::Reopen => Done::Reopened,
            };
            history.active_at = history.active_at.max(turn.at);
            return (Some(lead), Placed { done, rule });
        }
        (None, Placed { done: Done::Opened, rule: passed })
    }

    /// A closed lead is open again, and somebody is to speak with the person as with a new one.
    fn reopen(&mut self, scene: &Scene<'_>, lead: LeadId, stage: &Stage) -> bool {
        let Some(state) = self.known.leads.get_mut(&lead).filter(|it| !it.stage.is_open()) else { return false };
        state.stage = stage.clone();
        state.next_contact_at = LeadState::due(scene.context, scene.received_at);
        let state = state.clone();
        self.change(lead, state);
        true
    }

    pub(super) fn stage_of(&self, contact: ContactId) -> Stage {
        let is_person = self.known.person(contact).is_some_and(|it| it.reach == Reach::Person || !it.names.is_empty());
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

    pub(super) fn change(&mut self, lead: LeadId, state: LeadState) {
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
        Self {
            workspace,
            contact,
            title,
            stage,
            responsible: context.settings.responsible.clone(),
            next_contact_at: Self::due(context, at),
            qualification: Qualification::Unknown,
            temperature: Temperature::Cold,
            tags: Vec::new(),
        }
    }

    /// When a person who turned to us at this time is to be contacted.
    #[must_use]
    pub fn due(context: &Context, at: Timestamp) -> Option<Timestamp> {
        let within = i64::from(context.settings.contact_within_minutes) * 60;
        at.checked_add(jiff::SignedDuration::from_secs(within)).ok().and_then(minute)
    }
}

/// The form's own name, where an interaction is one.
fn form(interaction: &Interaction) -> Option<&str> {
    match &interaction.detail {
        Detail::Form(form) => form.name.as_deref().filter(|it| !it.trim().is_empty()),
        _ => None,
    }
}

/// Newsletters and answering machines want nothing of us.
fn is_automatic(detail: &Detail) -> bool {
    matches!(detail, Detail::Mail(mail) if mail.automatic.is_some())
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
