//! Notifications that are not about the course of a call.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{Direction, Event, MessageStatus, Notice, StatusChange};

use crate::party::{int, person, word};
use crate::report::moment;

/// Anything worth keeping, named as the end of the address that Mango posts to: `recording`, `dtmf`, `record/added`.
#[must_use]
pub fn other(what: &str, mut fields: Object) -> Event {
    let occurred_at = int(&mut fields, "timestamp").and_then(moment);
    // Who pressed keys in the menu.
    let number = word(&mut fields, "from_number");
    let someone = person(number.as_deref());
    let mut id = what.to_owned();
    for name in ["recording_id", "recording_state", "entry_id", "call_id", "command_id", "result", "user_id", "action", "seq"] {
        if let Some(part) = fields.peek(name).and_then(|it| it.as_str().map(str::to_owned).or_else(|| it.as_i64().map(|it| it.to_string())))
        {
            id.push(':');
            id.push_str(&part);
        }
    }
    if let Some(at) = occurred_at {
        id.push(':');
        id.push_str(&at.as_second().to_string());
    }
    if let Some(number) = number {
        fields.put("from_number", number);
    }
    let person = Some(someone).filter(|it| !it.identities.is_empty());
    let notice = Notice { what: what.to_owned(), person, conversation: None, extra: fields.rest() };
    Event { id, occurred_at, body: EventBody::Other(notice) }
}

/// What became of an SMS of ours: `/events/sms`, and `/result/sms` where it could not be sent.
#[must_use]
pub fn sms(mut fields: Object) -> Option<Event> {
    const DONE: i64 = 1000;
    let message_id = word(&mut fields, "command_id")?;
    let occurred_at = int(&mut fields, "timestamp").and_then(moment);
    let is_result = fields.peek("result").is_some();
    let reason = int(&mut fields, if is_result { "result" } else { "reason" })?;
    let (status, name) = match (reason, is_result) {
        (DONE, true) => (MessageStatus::Sent, "sent"),
        (DONE, false) => (MessageStatus::Delivered, "delivered"),
        _ => (MessageStatus::Failed, "failed"),
    };
    let id = ["sms:", &message_id, ":", name].concat();
    let error = (reason != DONE).then(|| reason.to_string());
    let change = StatusChange { message_id, status, error, direction: Direction::Out, person: None, extra: fields.rest() };
    Some(Event { id, occurred_at, body: EventBody::Status(change) })
}
