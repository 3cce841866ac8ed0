//! What goes wrong inside a connector.

use std::hint::black_box;

use patchbay_sdk::bindings::imports::patchbay::connector::host;
use patchbay_sdk::bindings::imports::patchbay::connector::types::{Event, Failure, Header, Retry};
use patchbay_sdk::bindings::webhook::exports::patchbay::connector::webhook::Reply;
use serde_json::{Value, json};

/// Computes for so many rounds and never comes to a result.
pub fn compute(rounds: u64) -> ! {
    loop {
        black_box(sum(rounds));
    }
}

/// Computes for so many rounds.
pub fn sum(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, it| black_box(sum ^ it))
}

/// Takes so many bytes of memory, piece by piece, and writes into each.
pub fn hold(bytes: usize) -> usize {
    const PIECE: usize = 1 << 20;
    let pieces: Vec<Vec<u8>> = (0..bytes / PIECE).map(|it| vec![u8::try_from(it & 0xff).unwrap_or_default() | 1; PIECE]).collect();
    black_box(&pieces).iter().map(Vec::len).sum()
}

/// Calls itself so often and comes back.
pub fn descend(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    if here[0] == 0 { 0 } else { descend(here[15] - 1) + 1 }
}

/// Asks the host for the time so often.
pub fn host_calls(calls: usize) -> usize {
    (0..calls).map(|_| usize::from(host::now_ms() > 0)).sum()
}

/// A message as it should be.
pub fn message(id: &str, text: &str) -> Event {
    Event { id: id.to_owned(), kind: "message".to_owned(), occurred_at_ms: None, payload: payload(id, text).to_string() }
}

fn payload(id: &str, text: &str) -> Value {
    json!({
        "direction": "in", "text": text, "message": {}, "conversation": { "key": format!("thread-{id}") },
        "person": { "name": { "full": "Test Person" }, "identities": [{ "kind": "handle", "value": id, "assurance": "vendor" }] },
    })
}

/// Events as the body lists them: `{"events": [{"id", "kind", "payload" (JSON) or "raw" (text)}]}`.
pub fn event(document: &Value) -> Vec<Event> {
    let text = |it: &Value, name: &str| it[name].as_str().map(str::to_owned);
    let one = |it: &Value| Event {
        id: text(it, "id").unwrap_or_default(),
        kind: text(it, "kind").unwrap_or_else(|| "message".to_owned()),
        occurred_at_ms: it["occurred_at_ms"].as_u64(),
        payload: text(it, "raw").unwrap_or_else(|| match it.get("payload") {
            Some(payload) => payload.to_string(),
            None => payload(it["id"].as_str().unwrap_or_default(), it["text"].as_str().unwrap_or("hello")).to_string(),
        }),
    };
    document["events"].as_array().into_iter().flatten().map(one).collect()
}

/// A reply as the body describes it: `{"status", "headers": [[name, value]], "body"}`.
pub fn reply(document: &Value) -> Reply {
    let header = |it: &Value| Some(Header { name: it[0].as_str()?.to_owned(), value: it[1].as_str()?.to_owned() });
    Reply {
        status: document["status"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(200),
        headers: document["headers"].as_array().into_iter().flatten().filter_map(header).collect(),
        body: document["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
        events: Vec::new(),
    }
}

/// A failure as the body describes it: `{"retry": "never" | "later" | "reauthorise" | <milliseconds>, "message"}`.
pub fn failure(document: &Value) -> Failure {
    let retry = match &document["retry"] {
        Value::Number(ms) => Retry::AfterMs(ms.as_u64().unwrap_or_default()),
        Value::String(word) if word == "later" => Retry::Later,
        Value::String(word) if word == "reauthorise" => Retry::Reauthorise,
        _ => Retry::Never,
    };
    Failure { code: "misbehaving.asked".to_owned(), message: document["message"].as_str().unwrap_or("as asked").to_owned(), retry }
}
