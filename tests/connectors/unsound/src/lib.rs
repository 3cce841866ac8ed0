//! Sound but for one fault, which its configuration chooses: each check of the conformance suite must find the fault that it is for.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use patchbay_sdk::host::{self, state};
use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::interaction::Message;
use patchbay_sdk::schemas::{Command, Detail, Direction, Event, EventBody, Identity, Interaction, Person, Receipt};
use patchbay_sdk::{CommandKind, Connector, Failure, Reply, Request, http};
use serde_json::{Value, json};

/// What one instance remembers of others' deliveries, which none should.
static SERVED: AtomicU32 = AtomicU32::new(0);

struct Unsound;

impl Connector for Unsound {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        let body = match request.value() {
            Ok(body) => body,
            Err(_) if has("swallows")? => return Ok(Reply::ok(Vec::new())),
            Err(failure) => return Err(failure),
        };
        Ok(Reply::ok(vec![message(&body)?]))
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        let CommandBody::MessageSend(message) = command.body else { return Err(Failure::never("unsound.command", "not for it")) };
        let receipt = |id: String| Receipt { remote_id: Some(id), ..Receipt::default() };
        let note = format!("sent:{}", command.idempotency_key);
        if !has("sends_twice")?
            && let Some(id) = state::get(&note)?
        {
            return Ok(receipt(String::from_utf8_lossy(&id).into_owned()));
        }
        let answer = http::post("api", "/messages").json(&json!({ "text": message.text }))?.send()?;
        if !answer.is_success() {
            return Err(if has("gives_up")? { Failure::never("unsound.refused", "no") } else { answer.failure("the vendor refused") });
        }
        let id = answer.value()["id"].as_str().unwrap_or("m").to_owned();
        state::set(&note, id.as_bytes(), None)?;
        Ok(receipt(id))
    }
}

patchbay_sdk::register!(Unsound: webhook, commands);

fn has(fault: &str) -> Result<bool, Failure> {
    let settings: Value = host::config()?;
    Ok(settings["fault"] == fault)
}

fn message(body: &Value) -> Result<Event, Failure> {
    let field = |name: &str| body[name].as_str().filter(|it| !it.is_empty() && it.len() <= 512).map(str::to_owned);
    let missing = || Failure::never("unsound.field", "`id` and `from` are due");
    let mut id = if has("panics")? { field("id").expect("the author was sure of it") } else { field("id").ok_or_else(missing)? };
    let mut text = field("text").unwrap_or_default();
    if has("random_ids")? {
        id = host::random(8).iter().fold(String::new(), |mut id, byte| {
            // Writing into a text cannot fail.
            let _ = write!(id, "{byte:02x}");
            id
        });
    }
    if has("remembers")? {
        let _ = write!(text, " (number {})", SERVED.fetch_add(1, Ordering::Relaxed));
    }
    let from = if has("unfit")? { String::new() } else { field("from").ok_or_else(missing)? };
    let person = Person { identities: vec![Identity::handle(from)], ..Person::default() };
    let detail = Detail::Message(Message { id: Some(id.clone()), ..Message::default() });
    let interaction = Interaction { text: Some(text), ..Interaction::new(Direction::In, person, detail) };
    Ok(Event { id, occurred_at: None, body: EventBody::Message(interaction) })
}
