//! Calls within WhatsApp: <https://developers.facebook.com/documentation/business-messaging/whatsapp/calling>.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::{Call, CallResult};
use patchbay_sdk::schemas::{Detail, Direction, Interaction, Source, Timestamp};

use crate::line::time;
use crate::map::{Found, Scene};
use crate::people::{Contact, Party, word};

/// A step of a call: it rings (`connect`) or it is over (`terminate`). All steps have the call's id.
#[must_use]
pub fn call(scene: &Scene, mut fields: Object) -> Option<Found> {
    let id = word(&mut fields, "id")?;
    let from = Party::take(&mut fields, "from", "from_user_id");
    let to = Party::take(&mut fields, "to", "to_user_id");
    let direction = match fields.text("direction").as_deref() {
        Some("BUSINESS_INITIATED") => Direction::Out,
        Some("USER_INITIATED") => Direction::In,
        _ if from.number.as_deref().is_some_and(|it| scene.line.is(it)) => Direction::Out,
        _ => Direction::In,
    };
    let party = if direction == Direction::In { from } else { to };
    let contact = scene.people.of(&party, None);
    let party = party.with(contact);
    let occurred_at = time(&mut fields, "timestamp");
    let step = word(&mut fields, "event").unwrap_or_else(|| "step".to_owned());
    let mut call = unknown(&id);
    // Keys for the sound of this one call: of no use to anybody but the two ends.
    fields.take("session");
    match step.as_str() {
        "connect" if direction == Direction::In => call.started_at = occurred_at,
        "terminate" => end(&mut call, direction, occurred_at, &mut fields),
        _ => {}
    }
    let key = ["call:", &id, ":", &step].concat();
    Some(Found::new(key, occurred_at, EventBody::Call(interaction(scene, direction, &party, contact, call, fields))))
}

/// How a call of ours goes on: `RINGING`, `ACCEPTED`, `REJECTED`.
#[must_use]
pub fn progress(
    scene: &Scene,
    (id, occurred_at): (String, Option<Timestamp>),
    state: &str,
    party: &Party,
    contact: Option<&Contact>,
    fields: Object,
) -> Found {
    let mut call = unknown(&id);
    match state {
        "RINGING" => call.started_at = occurred_at,
        "ACCEPTED" => call.answered_at = occurred_at,
        "REJECTED" => call.result = Some(CallResult::Missed),
        _ => {}
    }
    let key = ["call:", &id, ":", &state.to_ascii_lowercase()].concat();
    Found::new(key, occurred_at, EventBody::Call(interaction(scene, Direction::Out, party, contact, call, fields)))
}

fn end(call: &mut Call, direction: Direction, occurred_at: Option<Timestamp>, fields: &mut Object) {
    let state = fields.text("status").unwrap_or_default();
    call.talk_s = fields.int("duration").and_then(|it| u32::try_from(it).ok());
    call.answered_at = time(fields, "start_time");
    call.ended_at = time(fields, "end_time").or(occurred_at);
    // Only a call that somebody took has a beginning and a length.
    call.result = Some(if call.answered_at.is_some() || call.talk_s.is_some_and(|it| it > 0) {
        CallResult::Answered
    } else if direction == Direction::Out && state.eq_ignore_ascii_case("failed") {
        CallResult::Failed
    } else {
        CallResult::Missed
    });
}

fn interaction(scene: &Scene, direction: Direction, party: &Party, contact: Option<&Contact>, call: Call, fields: Object) -> Interaction {
    Interaction {
        direction,
        person: party.named(contact),
        conversation: scene.line.conversation(None, party),
        text: None,
        author: None,
        attachments: Vec::new(),
        source: if direction == Direction::In { scene.line.source() } else { Source::default() },
        detail: Detail::Call(call),
        extra: fields.rest(),
    }
}

fn unknown(id: &str) -> Call {
    Call {
        id: id.to_owned(),
        result: None,
        started_at: None,
        answered_at: None,
        ended_at: None,
        wait_s: None,
        talk_s: None,
        recording: None,
    }
}
