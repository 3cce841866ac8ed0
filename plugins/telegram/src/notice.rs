//! What is worth keeping but is not said by anybody: service messages, members, reactions, votes, payments, and updates that
//! Telegram may add one day.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{ConversationRef, Extra, Identity, Notice, Person};
use serde_json::Value;

use crate::config::Config;
use crate::fields::Fields;
use crate::map::{Fact, person};
use crate::payload::{Chat, Envelope, User, time};
use crate::place::{Part, Place};

/// Fields that any message may have: none of them says what a service message is about.
const COMMON: [&str; 22] = [
    "author_signature",
    "caption_entities",
    "edit_date",
    "effect_id",
    "entities",
    "external_reply",
    "has_media_spoiler",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "is_topic_message",
    "link_preview_options",
    "media_group_id",
    "message_thread_id",
    "paid_star_count",
    "quote",
    "reply_markup",
    "reply_to_message",
    "sender_boost_count",
    "sender_business_bot",
    "sender_tag",
    "via_bot",
];

/// Second names that Telegram keeps sending for old programs.
const OLD_NAMES: [&str; 4] = ["left_chat_participant", "new_chat_member", "new_chat_participant", "voice_chat_started"];

/// What a message without content tells: `pinned_message`, `new_chat_members`. None: nothing at all.
pub fn service_name(message: &mut Fields) -> Option<String> {
    for name in OLD_NAMES {
        message.take(name);
    }
    message.names().find(|it| !COMMON.contains(it) && !it.starts_with("forward_")).map(str::to_owned)
}

/// A message that Telegram wrote into the chat by itself.
pub fn service(what: String, envelope: Envelope, fields: Fields) -> Fact {
    let order = fields.peek(&what).and_then(|it| it.get("order_info")).cloned();
    let conversation = Some(envelope.conversation());
    let mut person = match &envelope.sender_chat {
        Some(chat) => Some(chat.person()),
        None => person(envelope.from),
    };
    stated(&mut person, order.as_ref());
    let mut extra = fields.rest();
    extra.extend(envelope.id.map(|it| ("message_id".to_owned(), Value::from(it))));
    about(&mut extra, envelope.chat);
    Fact { occurred_at: envelope.edit_date.or(envelope.date), body: EventBody::Other(Notice { what, person, conversation, extra }) }
}

/// Any update that is neither a message nor a button.
pub fn fact(what: &str, content: Value, config: Config) -> Result<Option<Fact>, Failure> {
    if !content.is_object() {
        let extra = Extra::from_iter([(what.to_owned(), content)]);
        let notice = Notice { what: what.to_owned(), person: None, conversation: None, extra };
        return Ok(Some(Fact { occurred_at: None, body: EventBody::Other(notice) }));
    }
    let mut fields = Fields::new("update", content)?;
    let occurred_at = match what {
        "chat_boost" => inner(&fields, "boost").map(|mut it| time(&mut it, "add_date")).transpose()?.flatten(),
        "removed_chat_boost" => time(&mut fields, "remove_date")?,
        _ => time(&mut fields, "date")?,
    };
    let chat = fields.object("chat")?.map(Chat::read).transpose()?;
    if chat.as_ref().is_some_and(|it| config.ignores(it)) {
        return Ok(None);
    }
    let mut person = whom(what, &mut fields)?;
    if what == "deleted_business_messages" {
        person = chat.as_ref().filter(|it| it.is_private).map(Chat::person);
    }
    let order = fields.peek("order_info").cloned();
    stated(&mut person, order.as_ref());
    let part = fields.text("business_connection_id")?.map_or(Part::Whole, Part::Business);
    let conversation = chat.as_ref().map(|it| ConversationRef { key: Place { chat: it.id, part }.key(), title: it.title.clone() });
    let mut extra = fields.rest();
    if let Some(chat) = chat {
        about(&mut extra, chat);
    }
    let notice = Notice { what: what.to_owned(), person, conversation, extra };
    Ok(Some(Fact { occurred_at, body: EventBody::Other(notice) }))
}

/// The person whom an update is about.
fn whom(what: &str, fields: &mut Fields) -> Result<Option<Person>, Failure> {
    let nested = match what {
        "chat_member" => inner(fields, "new_chat_member"),
        "chat_boost" => inner(fields, "boost").and_then(|it| inner(&it, "source")),
        "removed_chat_boost" => inner(fields, "source"),
        _ => None,
    };
    let nested = nested.map(|mut it| it.object("user")).transpose()?.flatten();
    let user = match nested {
        Some(user) => Some(user),
        None => fields.object("from")?.or(fields.object("user")?),
    };
    if let Some(user) = user {
        return Ok(person(Some(User::read(user)?)));
    }
    // Votes and reactions of a whole channel or of hidden administrators.
    let group = fields.object("voter_chat")?.or(fields.object("actor_chat")?);
    Ok(group.map(Chat::read).transpose()?.map(|it| it.person()))
}

/// An object within, to look at; the original stays for `extra`.
fn inner(fields: &Fields, name: &'static str) -> Option<Fields> {
    fields.peek(name).and_then(|it| Fields::new(name, it.clone()).ok())
}

/// Adds what the person typed into the order form of a payment.
fn stated(person: &mut Option<Person>, order: Option<&Value>) {
    let (Some(person), Some(order)) = (person, order) else { return };
    let text = |name: &str| order.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    person.identities.extend(text("phone_number").map(|it| Identity::phone(it).stated()));
    person.identities.extend(text("email").map(|it| Identity::email(it).stated()));
}

/// Adds what else is known of a group or channel.
pub fn about(extra: &mut Extra, chat: Chat) {
    extra.extend(chat.about().map(|it| ("chat".to_owned(), Value::Object(it))));
}
