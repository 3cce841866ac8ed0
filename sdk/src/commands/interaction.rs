//! `interaction.add`: what a CRM is to keep of a contact with a person.

use patchbay_schemas::command::{InteractionAdd, PersonRecord};
use patchbay_schemas::interaction::{Automatic, Call, CallResult, Comment, Form, Mail, Message, Rating, Revision};
use patchbay_schemas::{Assurance, Author, Detail, Direction, Event, EventBody, Identity, IdentityKind, Interaction, Name, Person, Source};

use super::Reader;
use super::message::{attachment, conversation_ref};

const KINDS: [(&str, IdentityKind); 3] = [("phone", IdentityKind::Phone), ("email", IdentityKind::Email), ("handle", IdentityKind::Handle)];
const ASSURANCES: [(&str, Assurance); 2] = [("vendor", Assurance::Vendor), ("stated", Assurance::Stated)];
const DIRECTIONS: [(&str, Direction); 2] = [("in", Direction::In), ("out", Direction::Out)];
const REVISIONS: [(&str, Revision); 2] = [("edited", Revision::Edited), ("deleted", Revision::Deleted)];
const AUTOMATIC: [(&str, Automatic); 2] = [("reply", Automatic::Reply), ("bulk", Automatic::Bulk)];
const RESULTS: [(&str, CallResult); 5] = [
    ("answered", CallResult::Answered),
    ("missed", CallResult::Missed),
    ("busy", CallResult::Busy),
    ("voicemail", CallResult::Voicemail),
    ("failed", CallResult::Failed),
];

/// Reads the payload of `interaction.add`. An event that is no interaction is refused: the hub sends none.
pub fn interaction_add(mut it: Reader) -> InteractionAdd {
    InteractionAdd {
        lead_remote_id: it.needed("lead_remote_id"),
        interaction_id: it.needed("interaction_id"),
        channel: it.needed("channel"),
        received_at: it.needed_time("received_at"),
        event: event(it.needed_object("event")),
        conversation_id: it.text("conversation_id"),
        same_person: it.objects("same_person", record),
        retried: it.flag("retried").unwrap_or_default(),
    }
}

fn record(mut it: Reader) -> PersonRecord {
    PersonRecord { lead_id: it.needed("lead_id"), remote_id: it.needed("remote_id") }
}

pub fn event(mut it: Reader) -> Event {
    let kind = it.needed("kind");
    let body = interaction(it.needed_object("payload"));
    let body = match kind.as_str() {
        "message" => EventBody::Message(body),
        "call" => EventBody::Call(body),
        "form" => EventBody::Form(body),
        "mail" => EventBody::Mail(body),
        "comment" => EventBody::Comment(body),
        "rating" => EventBody::Rating(body),
        _ => {
            it.wrong("kind", "is no kind of interaction");
            EventBody::Message(body)
        }
    };
    Event { id: it.needed("id"), occurred_at: it.time("occurred_at"), body }
}

fn interaction(mut it: Reader) -> Interaction {
    Interaction {
        direction: it.needed_word("direction", &DIRECTIONS),
        person: it.object("person").map(person).unwrap_or_default(),
        conversation: it.object("conversation").map(conversation_ref),
        text: it.text("text"),
        author: it.object("author").map(author),
        attachments: it.objects("attachments", attachment),
        source: it.object("source").map(source).unwrap_or_default(),
        detail: detail(&mut it),
        extra: it.extra("extra"),
    }
}

/// Under the name of its kind, which is the same as the event's.
fn detail(it: &mut Reader) -> Detail {
    if let Some(it) = it.object("message") {
        return Detail::Message(message(it));
    }
    if let Some(it) = it.object("call") {
        return Detail::Call(call(it));
    }
    if let Some(it) = it.object("form") {
        return Detail::Form(form(it));
    }
    if let Some(it) = it.object("mail") {
        return Detail::Mail(mail(it));
    }
    if let Some(it) = it.object("comment") {
        return Detail::Comment(comment(it));
    }
    Detail::Rating(rating(it.needed_object("rating")))
}

fn message(mut it: Reader) -> Message {
    Message {
        id: it.text("id"),
        revision: it.word("revision", &REVISIONS),
        reply_to: it.text("reply_to"),
        forwarded_from: it.text("forwarded_from"),
        choice: it.text("choice"),
    }
}

fn call(mut it: Reader) -> Call {
    let mut seconds = |name: &str| it.whole(name, u32::MAX.into()).and_then(|it| u32::try_from(it).ok());
    let (wait_s, talk_s) = (seconds("wait_s"), seconds("talk_s"));
    Call {
        id: it.needed("id"),
        result: it.word("result", &RESULTS),
        started_at: it.time("started_at"),
        answered_at: it.time("answered_at"),
        ended_at: it.time("ended_at"),
        wait_s,
        talk_s,
        recording: it.text("recording"),
    }
}

fn form(mut it: Reader) -> Form {
    Form { id: it.text("id"), name: it.text("name"), fields: it.extra("fields"), consent: it.flag("consent") }
}

fn mail(mut it: Reader) -> Mail {
    Mail {
        message_id: it.text("message_id"),
        subject: it.text("subject"),
        references: it.texts("references"),
        to: it.texts("to"),
        automatic: it.word("automatic", &AUTOMATIC),
    }
}

fn comment(mut it: Reader) -> Comment {
    Comment { id: it.text("id"), post: it.text("post"), parent: it.text("parent") }
}

fn rating(mut it: Reader) -> Rating {
    if it.is_without("score") {
        it.wrong("score", "is missing");
    }
    Rating { score: it.number("score").unwrap_or_default(), max: it.number("max") }
}

fn person(mut it: Reader) -> Person {
    Person {
        identities: it.objects("identities", identity),
        name: it.object("name").map(name).unwrap_or_default(),
        company: it.text("company"),
        city: it.text("city"),
        language: it.text("language"),
        extra: it.extra("extra"),
    }
}

fn name(mut it: Reader) -> Name {
    Name { full: it.text("full"), given: it.text("given"), middle: it.text("middle"), family: it.text("family") }
}

pub fn identity(mut it: Reader) -> Identity {
    Identity {
        kind: it.needed_word("kind", &KINDS),
        value: it.needed("value"),
        assurance: it.word("assurance", &ASSURANCES).unwrap_or_default(),
        label: it.text("label"),
    }
}

pub fn source(mut it: Reader) -> Source {
    Source {
        utm: it.map("utm"),
        clicks: it.map("clicks"),
        page: it.text("page"),
        referrer: it.text("referrer"),
        line: it.text("line"),
        start: it.text("start"),
    }
}

pub fn author(mut it: Reader) -> Author {
    Author { id: it.text("id"), name: it.text("name") }
}

#[cfg(test)]
mod tests {
    use patchbay_schemas::command::InteractionAdd;
    use serde_json::{Value, json};

    use super::super::agreement::agrees_on_all;
    use super::super::read;
    use super::interaction_add;

    fn add(kind: &str, detail: &Value) -> Value {
        let mut payload = json!({
            "direction": "in", "text": "hi", "conversation": { "key": "5", "title": "t" }, "author": { "id": "1", "name": "Олег" },
            "person": {
                "identities": [{ "kind": "email", "value": "a@example.com", "assurance": "stated", "label": "l" }],
                "name": { "full": "Анна Б", "given": "Анна", "middle": "В", "family": "Б" },
                "company": "c", "city": "d", "language": "ru", "extra": { "is_premium": true }
            },
            "attachments": [{ "kind": "voice", "reference": "r", "size": 12, "extra": { "a": 1 } }],
            "source": { "utm": { "source": "yandex" }, "clicks": { "yclid": "1" }, "page": "p", "referrer": "r", "line": "l", "start": "s" },
            "extra": { "n": 1.25, "deep": [{}, null] }
        });
        payload[kind] = detail.clone();
        json!({
            "lead_remote_id": "12", "interaction_id": "int_1", "channel": "form", "received_at": "2026-03-14T09:26:53.25Z", "retried": true, "conversation_id": "cnv_1",
            "same_person": [{ "lead_id": "lead_2", "remote_id": "13" }],
            "event": { "id": "1", "occurred_at": "2026-03-14T09:26:53+03:00", "kind": kind, "payload": payload }
        })
    }

    #[test]
    fn every_kind_of_interaction_is_read_as_derive_reads_it() {
        for (kind, detail) in [
            ("message", json!({ "id": "1", "revision": "edited", "reply_to": "2", "forwarded_from": "x", "choice": "y" })),
            (
                "call",
                json!({ "id": "1", "result": "voicemail", "started_at": "2026-03-14T09:26:53.25Z", "answered_at": "2026-03-14T09:26:53Z",
                    "ended_at": "2026-03-14T09:26:53Z", "wait_s": 3, "talk_s": 4.0, "recording": "r" }),
            ),
            ("form", json!({ "id": "1", "name": "n", "fields": { "a": "b", "c": [1] }, "consent": true })),
            ("mail", json!({ "message_id": "1", "subject": "s", "references": ["a", "b"], "to": ["c"] })),
            ("comment", json!({ "id": "1", "post": "p", "parent": "q" })),
            ("rating", json!({ "score": 4, "max": 5.0 })),
        ] {
            agrees_on_all::<InteractionAdd>(&add(kind, &detail), interaction_add);
        }
    }

    #[test]
    fn an_event_that_is_no_interaction_is_refused() {
        let mut command = add("message", &json!({}));
        command["event"]["kind"] = json!("status");
        let fault = read(command.to_string().as_bytes(), interaction_add).expect_err("refused");
        assert_eq!(fault.to_string(), "`kind` is no kind of interaction");
    }
}
