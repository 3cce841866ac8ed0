//! Asks its vendor what to do. What the test's vendor answers is what the hub gets, so that a test decides what happens, call by call.
//!
//! ```text
//! POST /poll     {"cursor", "limit"}                    ─► {"events": [{"id", "kind", "payload"}], "next_cursor", "more"}
//! POST /execute  {"idempotency_key", "kind", "payload"} ─► {"remote_id", "details"}
//! ```
//! Either may answer `{"failure": {"code", "message", "retry": "never" | "later" | "reauthorise" | <milliseconds>}}`.

use patchbay_sdk::schemas::{Command, Event, EventBody, Receipt};
use patchbay_sdk::{Connector, Failure, Page, Reply, Request, Retry, host, http};
use serde_json::{Value, json};

struct Relay;

impl Connector for Relay {
    fn webhook(request: Request) -> Result<Reply, Failure> {
        Ok(Reply::ok(events(&request.value()?)?))
    }

    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let answer = ask("/poll", &json!({ "cursor": cursor, "limit": limit }))?;
        let next_cursor = answer["next_cursor"].as_str().map(str::to_owned);
        Ok(Page { events: events(&answer)?, next_cursor, more: answer["more"] == true })
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        let payload: Value = command.body.payload().and_then(|it| serde_json::from_str(&it)).map_err(unreadable)?;
        let question = json!({ "idempotency_key": command.idempotency_key, "kind": command.body.kind(), "payload": payload });
        let answer = ask("/execute", &question)?;
        let details = answer["details"].as_object().cloned().unwrap_or_default();
        Ok(Receipt { remote_id: answer["remote_id"].as_str().map(str::to_owned), details })
    }

    fn check() -> Result<Value, Failure> {
        ask("/check", &Value::Null)
    }
}

fn ask(path: &str, question: &Value) -> Result<Value, Failure> {
    let way = if host::config::<Value>()?["auth"] == "oauth2" { "granted" } else { "vendor" };
    let answer = http::post(way, path).json(question)?.send()?;
    if !answer.is_success() {
        return Err(answer.failure("the vendor refused"));
    }
    let answer = answer.value();
    let Some(failure) = answer.get("failure") else { return Ok(answer) };
    let text = |name: &str| failure[name].as_str().unwrap_or(name).to_owned();
    let retry = match &failure["retry"] {
        Value::Number(ms) => Retry::AfterMs(ms.as_u64().unwrap_or_default()),
        Value::String(word) if word == "later" => Retry::Later,
        Value::String(word) if word == "reauthorise" => Retry::Reauthorise,
        _ => Retry::Never,
    };
    Err(Failure { code: text("code"), message: text("message"), retry })
}

fn events(document: &Value) -> Result<Vec<Event>, Failure> {
    let event = |it: &Value| {
        let body = EventBody::parse(it["kind"].as_str().unwrap_or_default(), it["payload"].clone()).map_err(unreadable)?;
        Ok(Event { id: it["id"].as_str().unwrap_or_default().to_owned(), occurred_at: None, body })
    };
    document["events"].as_array().into_iter().flatten().map(event).collect()
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::never("relay.unreadable", error.to_string())
}

patchbay_sdk::register!(Relay: webhook, polling, commands, check);
