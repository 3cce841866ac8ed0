//! A messenger: what people write becomes events, what we answer is sent once.

use patchbay_sdk::host::state;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::{CommandBody, MessageSend};
use patchbay_sdk::schemas::interaction::Message;
use patchbay_sdk::schemas::{
    Command, ConversationRef, Detail, Direction, Event, EventBody, Identity, Interaction, Name,
    Person, Receipt, Timestamp, time,
};
use patchbay_sdk::serde_json::{Value, json};
use patchbay_sdk::{CommandKind, Connector, Failure, Reply, Request, http};

/// How long a sent message is remembered: longer than the hub waits before it asks again.
const REMEMBERED_MS: u64 = 2 * 24 * 60 * 60 * 1000;

struct Messenger;

impl Connector for Messenger {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend];

    /// The vendor posted something: the hub has verified its signature already, as connector.toml says.
    fn webhook(request: Request) -> Result<Reply, Failure> {
        Ok(Reply::ok(vec![message(request.node()?)?]))
    }

    /// The hub asks for a message to be sent. The same command may come again, after a crash for example.
    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::MessageSend(message) => send(&command.idempotency_key, &message),
            other => Err(Failure::never(
                "message.command",
                format!("`{}` is not for a messenger", other.kind()),
            )),
        }
    }

    /// Does this connection work?
    fn check() -> Result<Value, Failure> {
        let answer = http::get("api", "/me").send()?;
        if !answer.is_success() {
            return Err(answer.failure("the vendor did not say who we are"));
        }
        Ok(json!({ "account": answer.value()["name"] }))
    }
}

patchbay_sdk::register!(Messenger: webhook, commands, check);

/// One message that somebody wrote.
fn message(body: Node) -> Result<Event, Failure> {
    let fields = body.object();
    let mut fields =
        fields.ok_or_else(|| Failure::never("message.shape", "the body is no JSON object"))?;
    let missing =
        |what: &str| Failure::never("message.field", format!("the message has no `{what}`"));
    let id = taken(&mut fields, "id", 512).ok_or_else(|| missing("id"))?;
    let chat = taken(&mut fields, "chat", 512).ok_or_else(|| missing("chat"))?;
    let mut from = fields.object("from").unwrap_or_default();
    let handle = taken(&mut from, "id", 512).ok_or_else(|| missing("from.id"))?;
    let phone = taken(&mut from, "phone", 512).map(Identity::phone);
    let person = Person {
        identities: [Identity::handle(handle)]
            .into_iter()
            .chain(phone)
            .collect(),
        name: Name::full(taken(&mut from, "name", 1024).unwrap_or_default()),
        ..Person::default()
    };
    let text = taken(&mut fields, "text", 65_536);
    let occurred_at = moment(&mut fields, "sent_at");
    let detail = Detail::Message(Message {
        id: Some(id.clone()),
        ..Message::default()
    });
    let interaction = Interaction {
        conversation: Some(ConversationRef {
            key: chat,
            title: None,
        }),
        text,
        extra: fields.rest(),
        ..Interaction::new(Direction::In, person, detail)
    };
    Ok(Event {
        id,
        occurred_at,
        body: EventBody::Message(interaction),
    })
}

/// Sends a message that is not sent yet. What was sent is noted, so that a repeat sends nothing.
fn send(idempotency_key: &str, message: &MessageSend) -> Result<Receipt, Failure> {
    let note = format!("sent:{idempotency_key}");
    if let Some(id) = state::get(&note)? {
        return Ok(receipt(String::from_utf8_lossy(&id).into_owned()));
    }
    let Some(text) = message.text.as_deref().filter(|it| !it.trim().is_empty()) else {
        return Err(Failure::never(
            "message.empty",
            "this messenger sends texts, and there is none",
        ));
    };
    let question = json!({ "chat": message.conversation.key, "text": text });
    let answer = http::post("api", "/messages")
        .json(&question)?
        .timeout_ms(20_000)
        .send()?;
    if !answer.is_success() {
        // 401: the credential is refused; 429 and 5xx: later; anything else: never.
        return Err(answer.failure("the vendor did not take the message"));
    }
    let id = answer.value()["id"].as_str().unwrap_or_default().to_owned();
    state::set(&note, id.as_bytes(), Some(REMEMBERED_MS))?;
    Ok(receipt(id))
}

fn receipt(id: String) -> Receipt {
    Receipt {
        remote_id: Some(id).filter(|it| !it.is_empty()),
        ..Receipt::default()
    }
}

/// Takes a time with its offset; any other text stays where it is.
fn moment(fields: &mut Object, key: &str) -> Option<Timestamp> {
    let at = fields.peek_text(key).and_then(time::parse)?;
    fields.text(key);
    Some(at)
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

    #[test]
    fn a_message_of_nobody_is_refused() {
        let failure =
            message(Node::from(&json!({ "id": "1", "chat": "7", "text": "hi" }))).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("message.field", "the message has no `from.id`")
        );
    }

    #[test]
    fn the_vendors_other_fields_are_kept() {
        let event = message(Node::from(
            &json!({ "id": "1", "chat": "7", "from": { "id": "5" }, "mood": "good" }),
        ))
        .unwrap();
        assert_eq!(event.body.interaction().unwrap().extra["mood"], "good");
    }
}
