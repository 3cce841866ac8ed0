//! Telephony: each step of a call is an event; the steps of one call carry its id, and the last one says how it ended.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::interaction::{Author, Call, CallResult};
use patchbay_sdk::schemas::{
    ConversationRef, Detail, Direction, Event, EventBody, Identity, Interaction, Person, Source,
    Timestamp, time,
};
use patchbay_sdk::{Connector, Failure, Reply, Request};

struct Telephony;

impl Connector for Telephony {
    /// The PBX posted something: the hub has verified it already, as connector.toml says.
    fn webhook(request: Request) -> Result<Reply, Failure> {
        Ok(Reply::ok(vec![step(request.node()?)?]))
    }
}

patchbay_sdk::register!(Telephony: webhook);

/// One step of a call: `ringing`, `answered` or `ended`.
fn step(body: Node) -> Result<Event, Failure> {
    let fields = body.object();
    let mut fields =
        fields.ok_or_else(|| Failure::never("call.shape", "the body is no JSON object"))?;
    let missing = |what: &str| Failure::never("call.field", format!("the call has no `{what}`"));
    let id = taken(&mut fields, "call_id", 256).ok_or_else(|| missing("call_id"))?;
    let step = taken(&mut fields, "event", 64).ok_or_else(|| missing("event"))?;
    let from = taken(&mut fields, "from", 512).ok_or_else(|| missing("from"))?;
    let to = taken(&mut fields, "to", 512).ok_or_else(|| missing("to"))?;
    let is_out = fields.text("direction").is_some_and(|it| it == "out");
    let (direction, theirs, ours) = if is_out {
        (Direction::Out, to, from)
    } else {
        (Direction::In, from, to)
    };
    let at = moment(&mut fields, "at");
    // Only the end of a call says how it went: before that somebody may still answer.
    let result = (step == "ended")
        .then(|| result(fields.text("result").as_deref()))
        .flatten();
    let call = Call {
        id: id.clone(),
        result,
        started_at: moment(&mut fields, "started_at"),
        answered_at: moment(&mut fields, "answered_at"),
        ended_at: if step == "ended" { at } else { None },
        wait_s: seconds(&mut fields, "wait_s"),
        talk_s: seconds(&mut fields, "talk_s"),
        recording: taken(&mut fields, "recording", 8192),
    };
    let operator = taken(&mut fields, "operator", 512);
    let interaction = Interaction {
        conversation: Some(ConversationRef {
            key: theirs.clone(),
            title: None,
        }),
        author: operator.map(|it| Author {
            id: Some(it),
            name: None,
        }),
        source: Source {
            line: Some(ours),
            ..Source::default()
        },
        extra: fields.rest(),
        ..Interaction::new(
            direction,
            Person {
                identities: vec![Identity::phone(theirs)],
                ..Person::default()
            },
            Detail::Call(call),
        )
    };
    Ok(Event {
        id: format!("{id}:{step}"),
        occurred_at: at,
        body: EventBody::Call(interaction),
    })
}

fn result(word: Option<&str>) -> Option<CallResult> {
    Some(match word? {
        "answered" => CallResult::Answered,
        "missed" => CallResult::Missed,
        "busy" => CallResult::Busy,
        "voicemail" => CallResult::Voicemail,
        "failed" => CallResult::Failed,
        _ => return None,
    })
}

fn moment(fields: &mut Object, key: &str) -> Option<Timestamp> {
    let at = time::parse(fields.peek_text(key)?)?;
    fields.text(key);
    Some(at)
}

fn seconds(fields: &mut Object, key: &str) -> Option<u32> {
    let seconds = fields.peek_int(key).and_then(|it| u32::try_from(it).ok())?;
    fields.int(key);
    Some(seconds)
}

/// Takes a text that is not empty and not longer than the schemas allow; any other stays where it is.
fn taken(fields: &mut Object, key: &str, most: usize) -> Option<String> {
    let text = fields.peek_text(key)?;
    let fits = !text.trim().is_empty() && text.chars().count() <= most;
    fits.then(|| fields.text(key)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_sdk::serde_json::json;

    fn call(event: &Event) -> Call {
        match event.body.interaction().map(|it| it.detail.clone()) {
            Some(Detail::Call(call)) => call,
            other => panic!("no call: {other:?}"),
        }
    }

    #[test]
    fn a_call_that_rings_has_no_result_yet() {
        let ringing = json!({ "call_id": "c", "event": "ringing", "from": "1", "to": "2", "result": "missed" });
        assert_eq!(call(&step(Node::from(&ringing)).unwrap()).result, None);
        let ended =
            json!({ "call_id": "c", "event": "ended", "from": "1", "to": "2", "result": "missed" });
        assert_eq!(
            call(&step(Node::from(&ended)).unwrap()).result,
            Some(CallResult::Missed)
        );
    }

    #[test]
    fn the_person_is_the_other_side() {
        let out = json!({ "call_id": "c", "event": "ringing", "from": "101", "to": "+79123456789", "direction": "out" });
        let event = step(Node::from(&out)).unwrap();
        let interaction = event.body.interaction().unwrap();
        assert_eq!(
            interaction.person.identities,
            [Identity::phone("+79123456789")]
        );
        assert_eq!(interaction.source.line.as_deref(), Some("101"));
    }
}
