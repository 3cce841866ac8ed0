//! What became of a message that we sent.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{Direction, MessageStatus, Notice, StatusChange};

use crate::call;
use crate::line::time;
use crate::map::{Found, Scene};
use crate::people::{Party, word};

/// The event that a status is. None: a state that no message of ours has in the hub.
#[must_use]
pub fn status(scene: &Scene, mut fields: Object) -> Option<Found> {
    let id = word(&mut fields, "id")?;
    let state = fields.text("status")?;
    let kind = fields.text("type");
    let group = fields.peek_text("recipient_type") == Some("group");
    let (number, user_id) =
        if group { ("recipient_participant_id", "recipient_participant_user_id") } else { ("recipient_id", "recipient_user_id") };
    let party = Party::take(&mut fields, number, user_id);
    let contact = scene.people.of(&party, None);
    let party = party.with(contact);
    let occurred_at = time(&mut fields, "timestamp");
    if kind.as_deref() == Some("call") || id.starts_with("wacid.") {
        return Some(call::progress(scene, (id, occurred_at), &state, &party, contact, fields));
    }
    let mut key = ["status:", &id, ":", &state].concat();
    if group && let Some(who) = party.user_id.as_ref().or(party.number.as_ref()) {
        key = [&key, ":", who].concat();
    }
    let person = Some(party.person(contact)).filter(|it| !it.identities.is_empty());
    if kind.as_deref() == Some("payment") {
        fields.put_text("id", &id);
        fields.put_text("status", &state);
        let notice = Notice { what: "payment".to_owned(), person, conversation: None, extra: fields.rest() };
        return Some(Found::new(key, occurred_at, EventBody::Other(notice)));
    }
    let status = match state.as_str() {
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" => MessageStatus::Read,
        "played" => {
            // A voice message that was listened to.
            fields.put("status", "played");
            MessageStatus::Read
        }
        "failed" => MessageStatus::Failed,
        _ => return None,
    };
    let error = fields.peek("errors").and_then(|it| it.items().first()).map(reason);
    let change = StatusChange { message_id: id, status, error, direction: Direction::Out, person, extra: fields.rest() };
    Some(Found::new(key, occurred_at, EventBody::Status(change)))
}

/// `131047: Re-engagement message (More than 24 hours have passed…)`
#[must_use]
pub fn reason(error: &Node) -> String {
    let text = |name: &str| error.get(name).and_then(Node::as_str).unwrap_or_default();
    let code = error.get("code").and_then(Node::as_i64).map(|it| it.to_string()).unwrap_or_default();
    let title = Some(text("title")).filter(|it| !it.is_empty()).unwrap_or_else(|| text("message"));
    let details = error.get("error_data").and_then(|it| it.get("details")).and_then(Node::as_str).filter(|it| *it != title);
    match details {
        Some(details) => [&code, ": ", title, " (", details, ")"].concat(),
        None => [&code, ": ", title].concat(),
    }
}
