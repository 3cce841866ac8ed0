//! Reads a delivery: verified bytes → the connector → events checked against the schemas.

use std::collections::HashMap;
use std::sync::LazyLock;

use patchbay_schemas::EventBody;
use serde_json::Value;

use crate::clock::timestamp;
use crate::plugin::{CallError, Event, Header, Instances, Reply, Request, Retry};
use crate::rules::ingest::{CheckedEvent, Reading};
use crate::rules::schema::Schema;

/// Most events that one delivery may hold.
const MAX_EVENTS: usize = 1_000;
/// Longest deduplication key, bytes.
const MAX_KEY: usize = 512;
/// The kinds whose payload has a schema of its own.
const KINDS: [&str; 10] = ["message", "call", "form", "mail", "comment", "rating", "status", "record", "person", "other"];

/// A delivery that was read.
pub struct Read {
    /// What the connector made of it.
    pub reading: Reading,
    /// What the vendor gets once the reading is committed.
    pub answer: Answer,
}

/// What the vendor gets.
pub enum Answer {
    /// The connector's own reply.
    Reply(Reply),
    /// It cannot be read and never will: the status that the manifest names for that.
    Refused(String),
    /// The connector asks for it to be sent again: 503, after so many seconds.
    Again {
        /// Seconds.
        after_s: u64,
    },
    /// The connector trapped or ran out of a limit.
    Broken,
    /// No instance is free: 503, and nothing is kept.
    Busy,
}

/// Has the connector read a delivery.
pub async fn of(instances: &Instances, request: &Request) -> Read {
    match instances.webhook(request).await {
        Ok(mut reply) => {
            let reading = events(std::mem::take(&mut reply.events));
            let answer = if matches!(reading, Reading::Dead(_)) { Answer::Broken } else { Answer::Reply(reply) };
            Read { reading, answer }
        }
        Err(error) => failed(instances, error),
    }
}

/// Has the connector read frames of its stream, with nobody there to answer.
pub async fn of_frames(instances: &Instances, frames: &[Vec<u8>]) -> Read {
    match instances.stream_received(frames).await {
        Ok(reply) => {
            let answer = Answer::Reply(Reply { status: 200, headers: Vec::new(), body: Vec::new(), events: Vec::new() });
            let reading = events(reply.events);
            Read { answer: if matches!(reading, Reading::Dead(_)) { Answer::Broken } else { answer }, reading }
        }
        Err(error) => failed(instances, error),
    }
}

/// The events of one delivery, each checked against the schema of its kind.
#[must_use]
pub fn events(events: Vec<Event>) -> Reading {
    if events.len() > MAX_EVENTS {
        return Reading::Dead(format!("connector.events: {} events in one delivery, at most {MAX_EVENTS} are allowed", events.len()));
    }
    Reading::Events(events.into_iter().map(check).collect())
}

/// Frames as they are kept: one after the other, each with a line break behind it.
#[must_use]
pub fn joined(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.iter().flat_map(|it| it.iter().chain(b"\n")).copied().collect()
}

/// The frames of a delivery, where it came by a stream.
#[must_use]
pub fn frames(kept: &Value, body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = body;
    let lengths = kept.get("frames")?.as_array()?.iter();
    lengths
        .map(|length| {
            let length = usize::try_from(length.as_u64()?).ok()?;
            let frame = rest.get(..length)?.to_vec();
            rest = rest.get(length + 1..)?;
            Some(frame)
        })
        .collect()
}

fn failed(instances: &Instances, error: CallError) -> Read {
    match error {
        CallError::Failed(failure) => {
            let reason = instances.surroundings().redact(&format!("{}: {}", failure.code, failure.message));
            match failure.retry {
                Retry::Never => Read { reading: Reading::Refused(reason.clone()), answer: Answer::Refused(reason) },
                Retry::AfterMs(ms) => Read { reading: Reading::Dead(reason), answer: Answer::Again { after_s: ms.div_ceil(1000).max(1) } },
                Retry::Later | Retry::Reauthorise => Read { reading: Reading::Dead(reason), answer: Answer::Again { after_s: 30 } },
            }
        }
        CallError::Busy => Read { reading: Reading::Dead("connector.busy: no instance is free".to_owned()), answer: Answer::Busy },
        // Kept with its reason, and the vendor is asked to send it again when the version may be tried.
        CallError::Quarantined(it) => {
            let left = it.until - instances.surroundings().clock.now_ms();
            let error = CallError::Quarantined(it);
            let reason = format!("{}: {error}", error.code());
            Read { reading: Reading::Dead(reason), answer: Answer::Again { after_s: left.max(1).unsigned_abs().div_ceil(1000) } }
        }
        error @ (CallError::Limit(_) | CallError::Trap(_) | CallError::NoAbility(_)) => {
            let reason = instances.surroundings().redact(&format!("{}: {error}", error.code()));
            Read { reading: Reading::Dead(reason), answer: Answer::Broken }
        }
    }
}

/// Checks an event against the schema of its kind.
#[must_use]
pub fn check(event: Event) -> CheckedEvent {
    let occurred_at = event.occurred_at_ms.and_then(|it| i64::try_from(it).ok()).map(timestamp);
    let (key, kind, payload) = (without_nul(event.id), without_nul(event.kind), without_escaped_nul(event.payload));
    let body = parse(&key, &kind, &payload);
    CheckedEvent { key, kind, occurred_at, payload, body }
}

/// PostgreSQL knows no text with a NUL in it: what is looked up must be what is stored.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The same for JSON, where it stands as an escape.
fn without_escaped_nul(json: String) -> String {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return json;
    }
    let mut parts = json.split(NUL);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // After an odd number of backslashes the first one of ours is itself escaped, and the rest are plain digits.
        let escaped = clean.bytes().rev().take_while(|it| *it == b'\\').count() % 2 == 1;
        clean += if escaped { NUL } else { "\\ufffd" };
        clean += part;
    }
    clean
}

fn parse(id: &str, kind: &str, payload: &str) -> Result<EventBody, String> {
    if id.is_empty() || id.len() > MAX_KEY {
        return Err(format!("/id: it has {} bytes, 1 to {MAX_KEY} are allowed", id.len()));
    }
    let document: Value = serde_json::from_str(payload).map_err(|error| format!("/payload: it is not JSON: {error}"))?;
    let Some(schema) = PAYLOADS.get(kind) else {
        // The vocabulary is open: what the hub has no word for is kept as it is.
        let Value::Object(extra) = document else { return Err("/payload: it is not an object".to_owned()) };
        return Ok(EventBody::Other(patchbay_schemas::Notice { what: kind.to_owned(), person: None, conversation: None, extra }));
    };
    if !schema.allows(&document) {
        // The deepest fault is the most telling one. Values are personal data, so they are masked.
        let deepest = schema.breaches(&document).max_by_key(|it| it.at().matches('/').count());
        return Err(deepest.map_or_else(String::new, |it| format!("/payload{}: {}", it.at(), it.masked())));
    }
    EventBody::parse(kind, document).map_err(|error| format!("/payload: {error}"))
}

static PAYLOADS: LazyLock<HashMap<&'static str, Schema>> = LazyLock::new(|| {
    let compile = |kind: &'static str| (kind, Schema::ours(patchbay_schemas::payload_ref(kind).expect("every kind has its schema")));
    KINDS.into_iter().map(compile).collect()
});

/// Compiles the schemas now, so that the first delivery does not wait for it.
pub fn warm_up() {
    LazyLock::force(&PAYLOADS);
}

/// The request as it is kept: method, path, query and headers without credentials.
#[must_use]
pub fn kept(request: &Request, hidden: &[&str]) -> String {
    let headers: Vec<[&str; 2]> = request
        .headers
        .iter()
        .filter(|it| !hidden.iter().any(|name| name.eq_ignore_ascii_case(&it.name)))
        .map(|it| [it.name.as_str(), it.value.as_str()])
        .collect();
    serde_json::json!({ "method": request.method, "path": request.path, "query": request.query, "headers": headers }).to_string()
}

/// The same for the same request sent once more: of method, path, query and body. Headers say when and by whom it was sent.
#[must_use]
pub fn fingerprint(request: &Request) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [&request.method, &request.path, &request.query] {
        digest.update(part.as_bytes());
        digest.update(b"\n");
    }
    digest.update(&request.body);
    // Half of it is more than enough: a vendor who finds two bodies with one fingerprint gains nothing by it.
    hex::encode(&digest.finish().as_ref()[..16])
}

/// The request as it was kept, with its body.
#[must_use]
pub fn request(kept: &Value, body: Vec<u8>) -> Request {
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let headers = kept
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| Some(Header { name: it.get(0)?.as_str()?.to_owned(), value: it.get(1)?.as_str()?.to_owned() }));
    Request { method: text("method"), path: text("path"), query: text("query"), headers: headers.collect(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_kept() {
        for came in [vec![], vec![b"a\nb".to_vec(), Vec::new(), b"\n".to_vec()]] {
            let kept = serde_json::json!({ "frames": came.iter().map(Vec::len).collect::<Vec<_>>() });
            assert_eq!(frames(&kept, &joined(&came)), Some(came));
        }
        assert_eq!(frames(&serde_json::json!({ "frames": [3] }), b"a\n"), None);
        assert_eq!(frames(&serde_json::json!({ "method": "POST" }), b"a"), None);
    }

    #[test]
    fn a_nul_in_a_key_or_a_payload_becomes_the_mark_for_what_cannot_be_shown() {
        let payload = r#"{"what":"note","extra":{"a\u0000":"b\\u0000 \\\u0000"}}"#.to_owned();
        let checked = check(Event { id: "a\0b".to_owned(), kind: "odd".to_owned(), occurred_at_ms: None, payload });
        assert_eq!(checked.key, "a\u{fffd}b");
        let document: Value = serde_json::from_str(&checked.payload).unwrap();
        assert_eq!(document["extra"], serde_json::json!({ "a\u{fffd}": "b\\u0000 \\\u{fffd}" }));
    }
}
