//! What is written by hand is what serde would write.

use patchbay_schemas::EventBody;
use serde_json::{Value, json};

use super::payload;

/// Written as `derive` writes it, to the letter.
fn agrees(kind: &str, document: &Value) {
    let body = EventBody::parse(kind, document.clone()).unwrap_or_else(|error| panic!("{error} in {document}"));
    assert_eq!(payload(&body), body.payload().expect("JSON"), "{document}");
    assert_eq!(payload(&body).parse::<Value>().expect("JSON"), *document);
}

/// The whole, and the whole without each of its parts that may be missing.
fn agrees_without_any(kind: &str, whole: &Value) {
    agrees(kind, whole);
    let mut places = vec![String::new()];
    while let Some(place) = places.pop() {
        let names: Vec<String> = whole.pointer(&place).and_then(Value::as_object).into_iter().flatten().map(|it| it.0.clone()).collect();
        for name in names {
            places.push(format!("{place}/{name}"));
            let mut part = whole.clone();
            part.pointer_mut(&place).and_then(Value::as_object_mut).expect("an object").remove(&name);
            if let Ok(body) = EventBody::parse(kind, part) {
                assert_eq!(payload(&body), body.payload().expect("JSON"), "without {place}/{name}");
            }
        }
    }
}

fn person() -> Value {
    json!({
        "identities": [{ "kind": "phone", "value": "+7", "assurance": "stated" }, { "kind": "handle", "value": "5", "label": "@a" },
            { "kind": "email", "value": "a@example.com" }],
        "name": { "full": "Анна \"Б\"", "given": "Анна", "middle": "В", "family": "Б" },
        "company": "c", "city": "d", "language": "ru", "extra": { "is_premium": true, "n": [1, -2, 0.5, null, {}, "\n"] }
    })
}

fn interaction(kind: &str, detail: &Value) -> Value {
    let attachments: Vec<Value> = ["photo", "video", "audio", "voice", "document", "sticker", "location", "contact", "other"]
        .into_iter()
        .map(|it| json!({ "kind": it, "reference": "r", "url": "u", "name": "n", "mime": "m", "size": 12, "extra": { "a": 1 } }))
        .collect();
    let mut whole = json!({
        "direction": "out", "text": "hi", "conversation": { "key": "5", "title": "t" }, "author": { "id": "1", "name": "Олег" },
        "person": person(), "attachments": attachments, "extra": { "n": 1.25, "deep": [{}, null] },
        "source": { "utm": { "a": "b", "c": "d" }, "clicks": { "yclid": "1" }, "page": "p", "referrer": "r", "line": "l", "start": "s" }
    });
    whole[kind] = detail.clone();
    whole
}

#[test]
fn every_kind_of_interaction_is_written_as_derive_writes_it() {
    let message = json!({ "id": "1", "revision": "edited", "reply_to": "2", "forwarded_from": "x", "choice": "y" });
    let call = json!({ "id": "1", "result": "voicemail", "started_at": "2026-03-14T09:26:53.25Z", "answered_at": "2026-03-14T09:26:53Z",
        "ended_at": "2026-03-14T09:26:53Z", "wait_s": 3, "talk_s": 0, "recording": "r" });
    for (kind, detail) in [
        ("message", message),
        ("message", json!({ "revision": "deleted" })),
        ("call", call),
        ("form", json!({ "id": "1", "name": "n", "fields": { "a": "b", "c": [1] }, "consent": false })),
        ("mail", json!({ "message_id": "1", "subject": "s", "references": ["a", "b"], "to": ["c"] })),
        ("comment", json!({ "id": "1", "post": "p", "parent": "q" })),
        ("rating", json!({ "score": 4.0, "max": 5.5 })),
    ] {
        agrees_without_any(kind, &interaction(kind, &detail));
    }
    for result in ["answered", "missed", "busy", "voicemail", "failed"] {
        agrees("call", &json!({ "direction": "in", "person": {}, "call": { "id": "1", "result": result } }));
    }
}

#[test]
fn every_other_event_is_written_as_derive_writes_it() {
    for status in ["sent", "delivered", "read", "failed"] {
        agrees_without_any(
            "status",
            &json!({ "message_id": "1", "status": status, "error": "e", "person": person(), "extra": { "a": 1 } }),
        );
    }
    for (action, stage) in [
        ("created", json!({ "name": "interest" })),
        ("updated", json!({ "name": "lead" })),
        ("deleted", json!({ "name": "client" })),
        ("merged", json!({ "name": "refused" })),
        ("changed", json!({ "name": "refused", "reason": "dear", "return_at": "2026-09-01T06:00:00Z" })),
    ] {
        agrees_without_any(
            "record",
            &json!({ "entity": "deal", "action": action, "external_id": "12", "extra": { "a": 1 }, "fields": {
                "stage": stage, "responsible": { "id": "7", "name": "Ольга" }, "title": "t", "person": person(),
                "next_contact_at": "2026-09-01T06:00:00.5Z", "tags": ["a", "b"] } }),
        );
    }
    agrees_without_any("person", &person());
    agrees_without_any(
        "other",
        &json!({ "what": "pinned", "person": person(), "conversation": { "key": "1", "title": "t" }, "extra": { "a": 1 } }),
    );
}
