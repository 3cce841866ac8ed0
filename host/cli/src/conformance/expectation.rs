//! What came out of a case as a document, and how it differs from what should have.
//!
//! | Call | `<case>.expect.json` |
//! |---|---|
//! | delivery | a list with one object for each event; or `{"events", "reply"}` where the answer to the vendor matters |
//! | poll | `{"events", "cursor", "more"}` |
//! | frames of a stream | a list with one object for each event; or `{"events", "send"}` where what is sent back matters |
//! | a stream that was connected | `{"target", "events", "send"}`; a secret stands as `{name}` in what is sent |
//! | commands | `{"receipts": [{"remote_id", "details"} or {"failure"}]}` |
//! | check | `{"report"}` |
//! | any | `{"failure": {"code", "retry"}}`; `{"unsigned": reason}` |
//!
//! An event says as much as its author wishes: its outline, as `connector map` prints it, and its `payload`. What is not written is not
//! compared; `check` holds single values by JSON pointer, `note` is for people. A new expectation holds all.

use patchbay_schemas::{Event, Outline};
use serde_json::{Map, Value, json};

use super::rig::{Outcome, Played};
use patchbay_host::plugin::{Failure, Piece, Receipt, Reply, Retry, Target};
use patchbay_host::rules::ingest::CheckedEvent;
use patchbay_host::rules::schema::Schema;

/// What people write beside an event.
const NOTE: &str = "note";
/// Values of an event by JSON pointer.
const CHECK: &str = "check";

/// What came out, as far as an expectation of this shape speaks of it.
#[must_use]
pub fn document(outcome: &Outcome, shape: Option<&Value>) -> Value {
    let part = |name: &str| shape.and_then(|it| it.get(name));
    match outcome {
        Outcome::Delivered { events, reply } => match shape {
            Some(Value::Object(_)) if part("failure").is_none() => {
                let mut document = Map::new();
                if part("events").is_some() {
                    document.insert("events".to_owned(), list(events, part("events")));
                }
                if let Some(wanted) = part("reply") {
                    document.insert("reply".to_owned(), shaped(of_reply(reply), Some(wanted)));
                }
                document.into()
            }
            shape => list(events, shape),
        },
        Outcome::Heard { target: None, events, send } => match shape {
            Some(Value::Object(_)) if part("failure").is_none() => {
                shaped(json!({ "events": list(events, part("events")), "send": of_frames(send) }), shape)
            }
            shape => list(events, shape),
        },
        Outcome::Heard { target: Some(target), events, send } => {
            shaped(json!({ "target": of_target(target), "events": list(events, part("events")), "send": of_frames(send) }), shape)
        }
        Outcome::Page { events, cursor, more } => shaped(
            json!({ "events": list(events, part("events")), "cursor": cursor, "more": more }),
            shape.filter(|it| it.get("events").is_some()),
        ),
        Outcome::Receipts(receipts) => {
            let of = |it: &Result<Receipt, Failure>| match it {
                Ok(receipt) => json!({ "remote_id": receipt.remote_id, "details": parsed(&receipt.details) }),
                Err(failure) => json!({ "failure": of_failure(failure) }),
            };
            json!({ "receipts": receipts.iter().map(of).collect::<Vec<_>>() })
        }
        Outcome::Report(report) => json!({ "report": parsed(report) }),
        Outcome::Failed(failure) => json!({ "failure": of_failure(failure) }),
        Outcome::Unsigned(reason) => json!({ "unsigned": reason }),
        Outcome::Broken(reason) => json!({ "broken": reason }),
    }
}

/// What no expectation can make good: a broken instance, an event that its schema refuses, a request that the cassette does not have.
#[must_use]
pub fn unacceptable(played: &Played) -> Vec<String> {
    let mut faults: Vec<String> = played.fault.iter().map(|it| format!("cassette: {it}")).collect();
    faults.extend(broken_schemas(&played.outcome));
    if let Outcome::Broken(reason) = &played.outcome {
        faults.push(reason.clone());
    }
    faults
}

/// Where what came out breaks the schemas.
#[must_use]
pub fn broken_schemas(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Delivered { events, reply } => {
            let status = (!(100..600).contains(&reply.status)).then(|| format!("the reply has the status {}", reply.status));
            events.iter().filter_map(of_event).chain(status).collect()
        }
        Outcome::Page { events, .. } | Outcome::Heard { events, .. } => events.iter().filter_map(of_event).collect(),
        Outcome::Receipts(receipts) => receipts.iter().flatten().filter_map(of_receipt).collect(),
        Outcome::Report(report) => {
            let is_object = parsed(report).is_object();
            (!is_object).then(|| "the check's answer is no JSON object".to_owned()).into_iter().collect()
        }
        Outcome::Failed(_) | Outcome::Unsigned(_) | Outcome::Broken(_) => Vec::new(),
    }
}

fn of_event(event: &CheckedEvent) -> Option<String> {
    let fault = event.body.as_ref().err()?;
    let id: String = event.key.chars().take(64).collect();
    Some(format!("the event `{id}` ({}) does not fit its schema: {fault}", event.kind))
}

fn of_receipt(receipt: &Receipt) -> Option<String> {
    let mut document = json!({ "details": parsed(&receipt.details) });
    if let Some(id) = &receipt.remote_id {
        document["remote_id"] = json!(id);
    }
    let schema = Schema::ours("https://patchbay.dev/schemas/v1/receipt.json");
    let breach = schema.breaches(&document).next()?;
    Some(format!("a receipt does not fit its schema: {}: {}", breach.at(), breach.problem()))
}

/// `never`, `later`, `{"after_ms": 1000}`, `reauthorise`
#[must_use]
pub fn of_retry(retry: Retry) -> Value {
    match retry {
        Retry::Never => json!("never"),
        Retry::Later => json!("later"),
        Retry::AfterMs(ms) => json!({ "after_ms": ms }),
        Retry::Reauthorise => json!("reauthorise"),
    }
}

fn of_failure(failure: &Failure) -> Value {
    json!({ "code": failure.code, "retry": of_retry(failure.retry) })
}

fn of_reply(reply: &Reply) -> Value {
    let headers: Map<String, Value> = reply.headers.iter().map(|it| (it.name.to_ascii_lowercase(), json!(it.value))).collect();
    json!({ "status": reply.status, "headers": headers, "body": String::from_utf8_lossy(&reply.body) })
}

fn of_target(target: &Target) -> Value {
    json!({ "endpoint": target.endpoint, "path_and_query": target.path_and_query })
}

fn of_frames(send: &[Vec<Piece>]) -> Value {
    let piece = |it: &Piece| match it {
        Piece::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Piece::Secret(name) => format!("{{{name}}}"),
    };
    send.iter().map(|it| it.iter().map(piece).collect::<String>()).collect()
}

fn list(events: &[CheckedEvent], shape: Option<&Value>) -> Value {
    let one = |(at, event): (usize, &CheckedEvent)| {
        let whole = whole(event);
        let Some(Value::Object(wanted)) = shape.and_then(|it| it.get(at)) else { return whole };
        let mut found = Map::new();
        for (name, value) in wanted {
            match (name.as_str(), value) {
                (NOTE, note) => drop(found.insert(NOTE.to_owned(), note.clone())),
                (CHECK, Value::Object(checks)) => {
                    let checks = checks.keys().map(|it| (it.clone(), whole.pointer(it).cloned().unwrap_or_default())).collect();
                    found.insert(CHECK.to_owned(), Value::Object(checks));
                }
                (name, _) => {
                    if let Some(value) = whole.get(name) {
                        found.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        Value::Object(found)
    };
    events.iter().enumerate().map(one).collect()
}

/// The outline of an event and its payload.
fn whole(event: &CheckedEvent) -> Value {
    match &event.body {
        Ok(body) => {
            let outline = Outline::of(&Event { id: event.key.clone(), occurred_at: event.occurred_at, body: body.clone() });
            let mut document = serde_json::to_value(outline).unwrap_or_default();
            document["payload"] = parsed(&event.payload);
            document
        }
        Err(fault) => json!({ "id": event.key, "kind": event.kind, "fault": fault }),
    }
}

/// The fields of `found` that the expectation speaks of; all where it is new.
fn shaped(found: Value, wanted: Option<&Value>) -> Value {
    match (found, wanted) {
        (Value::Object(fields), Some(Value::Object(wanted))) => fields.into_iter().filter(|(name, _)| wanted.contains_key(name)).collect(),
        (found, _) => found,
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// How two documents differ, line by line; empty where they do not.
#[must_use]
pub fn difference(wanted: Option<&Value>, found: &Value) -> String {
    if wanted == Some(found) {
        return String::new();
    }
    let text = |it: &Value| serde_json::to_string_pretty(it).unwrap_or_default() + "\n";
    lines(&wanted.map(text).unwrap_or_default(), &text(found))
}

/// How two texts differ, line by line.
#[must_use]
pub fn lines(before: &str, after: &str) -> String {
    let mut options = diffy::DiffOptions::new();
    options.set_context_len(2).set_original_filename("before").set_modified_filename("after");
    options.create_patch(before, after).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_host::plugin::Header;

    fn delivered() -> Outcome {
        let payload = r#"{"direction":"in","text":"hi","message":{"id":"7"},"person":{"name":{"full":"Anna"}}}"#;
        let event = patchbay_host::plugin::Event {
            id: "7".to_owned(),
            kind: "message".to_owned(),
            occurred_at_ms: Some(0),
            payload: payload.to_owned(),
        };
        let headers = vec![Header { name: "X-A".to_owned(), value: "b".to_owned() }];
        let reply = Reply { status: 200, headers, body: b"ok".to_vec(), events: Vec::new() };
        Outcome::Delivered { events: vec![patchbay_host::reading::check(event)], reply }
    }

    #[test]
    fn a_new_expectation_holds_all_and_an_old_one_keeps_its_depth() {
        let new = document(&delivered(), None);
        assert_eq!((&new[0]["name"], &new[0]["payload"]["message"]["id"]), (&json!("Anna"), &json!("7")));
        assert_eq!(difference(Some(&new), &document(&delivered(), Some(&new))), "");
        let old = json!([{ "text": "hello", "phone": null, "note": "by hand", "check": { "/payload/message/id": "8" } }]);
        let found = document(&delivered(), Some(&old));
        assert_eq!(found, json!([{ "text": "hi", "phone": null, "note": "by hand", "check": { "/payload/message/id": "7" } }]));
        let difference = difference(Some(&old), &found);
        assert!(difference.contains("-    \"text\": \"hello\"") && difference.contains("+    \"text\": \"hi\""), "{difference}");
    }

    #[test]
    fn the_answer_to_the_vendor_is_compared_where_it_is_written() {
        let shape = json!({ "events": [], "reply": { "status": 200, "body": "ok" } });
        let found = document(&delivered(), Some(&shape));
        assert_eq!((found["reply"].clone(), found["events"].as_array().map(Vec::len)), (shape["reply"].clone(), Some(1)));
    }

    #[test]
    fn a_fact_that_is_none_never_holds() {
        let odd = json!([{ "kind": "message", "colour": "red" }]);
        assert_ne!(document(&delivered(), Some(&odd)), odd);
    }

    #[test]
    fn what_breaks_a_schema_is_named() {
        let event =
            patchbay_host::plugin::Event { id: "7".to_owned(), kind: "message".to_owned(), occurred_at_ms: None, payload: "{}".to_owned() };
        let reply = Reply { status: 99, headers: Vec::new(), body: Vec::new(), events: Vec::new() };
        let outcome = Outcome::Delivered { events: vec![patchbay_host::reading::check(event)], reply };
        let faults = broken_schemas(&outcome);
        assert!(faults.len() == 2 && faults[0].contains("/payload") && faults[1].contains("99"), "{faults:?}");
        let receipt = Receipt { remote_id: Some(String::new()), details: "{}".to_owned() };
        assert_eq!(broken_schemas(&Outcome::Receipts(vec![Ok(receipt)])).len(), 1);
        assert_eq!(broken_schemas(&Outcome::Report("[]".to_owned())).len(), 1);
    }
}
