//! Calls: all steps of one are one interaction.

use patchbay_schemas::Interaction;
use patchbay_schemas::interaction::Call;

use super::super::plan::{Ask, ChangedCall};
use super::super::{CallState, Said, Step, call};
use super::{Place, Planner, Scene};
use crate::ids::EventId;

impl Planner<'_> {
    /// All steps of a call are one interaction, which shows the newest. Its lead is told at once; its end goes into the sinks' history
    /// when it is known, and once more only if the vendor corrects it.
    pub(super) fn take_call(&mut self, scene: &Scene<'_>, kind: &'static str, interaction: &Interaction, said: &Said, call: &Call) {
        let key = call::key(scene.origin.connection, call);
        let step = Step { at: scene.occurred_at, call: call.clone() };
        let before = self.known.calls.get(&key).cloned();
        let place = self.place(scene, kind, interaction, said, before.as_ref());
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
                self.tell(scene, lead, &Ask::Upsert);
            }
            let outcome = now.step.outcome().map(|outcome| (outcome, now.lead));
            if outcome.is_some() && outcome != told {
                self.tell(scene, lead, &Ask::Add(interaction));
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
}
