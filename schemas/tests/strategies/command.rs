//! Commands of every kind.

use patchbay_schemas::command::{
    AnswerStatus, Button, ButtonAction, CallStart, CommandBody, InteractionAdd, LeadUpsert, MessageSend, NewRecord, Nothing, PersonRecord,
    WebhookRemove, WebhookSet,
};
use patchbay_schemas::{Command, Extra, MessageStatus};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;

use super::event::event;
use super::interaction::{attachment, author};
use super::lead::lead;
use super::person::conversation_ref;
use super::{extra, id, line, moment, ours, text, word};

/// A command.
pub fn command() -> BoxedStrategy<Command> {
    let body = prop_oneof![
        upsert().prop_map(|it| CommandBody::LeadUpsert(Box::new(it))),
        add().prop_map(|it| CommandBody::InteractionAdd(Box::new(it))),
        send().prop_map(|it| CommandBody::MessageSend(Box::new(it))),
        status().prop_map(|it| CommandBody::MessageStatus(Box::new(it))),
        upsert().prop_map(|it| CommandBody::LeadPlan(Box::new(it))),
        Just(CommandBody::FieldsList(Nothing {})),
        call().prop_map(|it| CommandBody::CallStart(Box::new(it))),
        (hook(), any::<bool>()).prop_map(|(url, anew)| CommandBody::WebhookSet(Box::new(WebhookSet { url, anew }))),
        hook().prop_map(|url| CommandBody::WebhookRemove(Box::new(WebhookRemove { url }))),
    ];
    (id(), body).prop_map(|(idempotency_key, body)| Command { idempotency_key, body }).boxed()
}

fn upsert() -> impl Strategy<Value = LeadUpsert> {
    let new_record = select(vec![NewRecord::UnlessKnown, NewRecord::UnlessOpen, NewRecord::Always]);
    let settled = subsequence(vec!["stage", "responsible", "title", "next_contact_at", "tags"], 0..=5);
    (lead(), of(id()), extra(), new_record, fields(), settled, any::<bool>(), any::<bool>()).prop_map(
        |(lead, remote_id, known, new_record, fields, settled, find_only, retried)| {
            let settled = settled.into_iter().map(str::to_owned).collect();
            LeadUpsert { lead, remote_id, known, new_record, fields, settled, find_only, retried }
        },
    )
}

/// Vendor fields: null, a flat value, or a list of them.
fn fields() -> impl Strategy<Value = Extra> {
    let flat = || prop_oneof![text().prop_map(Value::from), any::<i32>().prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    let value = prop_oneof![Just(Value::Null), flat(), vec(flat(), 0..3).prop_map(Value::from)];
    vec((word(), value), 0..4).prop_map(|it| it.into_iter().collect())
}

fn add() -> impl Strategy<Value = InteractionAdd> {
    let record = || (ours("lead"), id()).prop_map(|(lead_id, remote_id)| PersonRecord { lead_id, remote_id });
    (id(), ours("int"), word(), moment(), event(), of(ours("cnv")), prop_oneof![Just(Vec::new()), vec(record(), 2..4)], any::<bool>())
        .prop_map(|(lead_remote_id, interaction_id, channel, received_at, event, conversation_id, same_person, retried)| InteractionAdd {
            lead_remote_id,
            interaction_id,
            channel,
            received_at,
            event,
            conversation_id,
            same_person,
            retried,
        })
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

fn status() -> impl Strategy<Value = AnswerStatus> {
    let status = select(vec![MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read, MessageStatus::Failed]);
    (ours("int"), event(), status, of(text()), moment()).prop_map(|(interaction_id, event, status, error, at)| AnswerStatus {
        interaction_id,
        event,
        status,
        error,
        at,
    })
}

fn call() -> impl Strategy<Value = CallStart> {
    ("[+]?[0-9]{3,20}", of("[0-9A-Za-z_.-]{1,40}"), of("[+]?[0-9]{3,20}"), of(author()), of(moment()))
        .prop_map(|(number, extension, line, author, until)| CallStart { number, extension, line, author, until })
}

/// The address of a connection.
fn hook() -> impl Strategy<Value = String> {
    "https?://[a-z]{1,8}(\\.example)?(:[0-9]{2,4})?/in/cxn_[0-9A-Z]{1,26}"
}

fn button() -> impl Strategy<Value = Button> {
    let action = prop_oneof![line().prop_map(ButtonAction::Choice), line().prop_map(ButtonAction::Url)];
    (line(), action).prop_map(|(text, action)| Button { text, action })
}
