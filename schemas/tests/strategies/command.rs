//! Commands of every kind.

use patchbay_schemas::Command;
use patchbay_schemas::command::{Button, ButtonAction, CommandBody, InteractionAdd, LeadUpsert, MessageSend, NewRecord};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::event::event;
use super::interaction::attachment;
use super::lead::lead;
use super::person::conversation_ref;
use super::{extra, id, line, moment, ours, text, word};

/// A command.
pub fn command() -> BoxedStrategy<Command> {
    let body = prop_oneof![
        upsert().prop_map(|it| CommandBody::LeadUpsert(Box::new(it))),
        add().prop_map(|it| CommandBody::InteractionAdd(Box::new(it))),
        send().prop_map(|it| CommandBody::MessageSend(Box::new(it))),
    ];
    (id(), body).prop_map(|(idempotency_key, body)| Command { idempotency_key, body }).boxed()
}

fn upsert() -> impl Strategy<Value = LeadUpsert> {
    let new_record = select(vec![NewRecord::UnlessKnown, NewRecord::UnlessOpen, NewRecord::Always]);
    (lead(), of(id()), extra(), new_record, any::<bool>()).prop_map(|(lead, remote_id, known, new_record, retried)| LeadUpsert {
        lead,
        remote_id,
        known,
        new_record,
        retried,
    })
}

fn add() -> impl Strategy<Value = InteractionAdd> {
    (id(), ours("int"), word(), moment(), event(), any::<bool>()).prop_map(
        |(lead_remote_id, interaction_id, channel, received_at, event, retried)| InteractionAdd {
            lead_remote_id,
            interaction_id,
            channel,
            received_at,
            event,
            retried,
        },
    )
}

/// With a text, an attachment, or both.
fn send() -> impl Strategy<Value = MessageSend> {
    let content = prop_oneof![
        text().prop_map(|text| (Some(text), None)),
        attachment().prop_map(|file| (None, Some(file))),
        (text(), attachment()).prop_map(|(text, file)| (Some(text), Some(file))),
    ];
    (conversation_ref(), content, vec(vec(button(), 0..3), 0..3), of(id()))
        .prop_map(|(conversation, (text, attachment), buttons, reply_to)| MessageSend { conversation, text, attachment, buttons, reply_to })
}

fn button() -> impl Strategy<Value = Button> {
    let action = prop_oneof![line().prop_map(ButtonAction::Choice), line().prop_map(ButtonAction::Url)];
    (line(), action).prop_map(|(text, action)| Button { text, action })
}
