//! Events of every kind.

use patchbay_schemas::event::RecordFields;
use patchbay_schemas::{Direction, Event, EventBody, MessageStatus, Notice, RecordAction, RecordChange, StatusChange};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::interaction::{call, comment, form, mail, message, rating, with};
use super::lead::{responsible, stage, tags};
use super::person::{conversation_ref, person};
use super::{extra, id, line, moment, text};

/// An event.
pub fn event() -> BoxedStrategy<Event> {
    (id(), of(moment()), body()).prop_map(|(id, occurred_at, body)| Event { id, occurred_at, body }).boxed()
}

fn body() -> impl Strategy<Value = EventBody> {
    prop_oneof![
        message().prop_flat_map(with).prop_map(EventBody::Message),
        call().prop_flat_map(with).prop_map(EventBody::Call),
        form().prop_flat_map(with).prop_map(EventBody::Form),
        mail().prop_flat_map(with).prop_map(EventBody::Mail),
        comment().prop_flat_map(with).prop_map(EventBody::Comment),
        rating().prop_flat_map(with).prop_map(EventBody::Rating),
        status().prop_map(EventBody::Status),
        record().prop_map(EventBody::Record),
        person().prop_map(EventBody::Person),
        notice().prop_map(EventBody::Other),
    ]
}

fn status() -> impl Strategy<Value = StatusChange> {
    let status = select(vec![MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read, MessageStatus::Failed]);
    let direction = select(vec![Direction::In, Direction::Out]);
    (id(), status, of(text()), direction, of(person()), extra()).prop_map(|(message_id, status, error, direction, person, extra)| {
        StatusChange { message_id, status, error, direction, person, extra }
    })
}

fn record() -> impl Strategy<Value = RecordChange> {
    let action =
        select(vec![RecordAction::Created, RecordAction::Updated, RecordAction::Deleted, RecordAction::Merged, RecordAction::Changed]);
    (id(), action, id(), of(id()), of(id()), fields(), extra()).prop_map(
        |(entity, action, external_id, lead, person_ref, fields, extra)| RecordChange {
            entity,
            action,
            external_id,
            lead,
            person_ref,
            fields,
            extra,
        },
    )
}

fn fields() -> impl Strategy<Value = RecordFields> {
    (of(stage()), of(responsible()), of(line()), of(moment()), of(tags()), of(person()), any::<bool>()).prop_map(
        |(stage, responsible, title, next_contact_at, tags, person, person_whole)| RecordFields {
            stage,
            responsible,
            title,
            next_contact_at,
            tags,
            person,
            person_whole,
        },
    )
}

fn notice() -> impl Strategy<Value = Notice> {
    (id(), of(person()), of(conversation_ref()), extra()).prop_map(|(what, person, conversation, extra)| Notice {
        what,
        person,
        conversation,
        extra,
    })
}
