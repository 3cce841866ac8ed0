//! What is worth keeping but is not said by anybody: service messages, members, reactions, votes, payments, and updates that
//! Telegram may add one day.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::{ConversationRef, Identity, Notice, Person, Timestamp};

use crate::config::Config;
use crate::map::{Fact, person};
use crate::payload::{Chat, Envelope, User, time};
use crate::place::Part;

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
pub fn service_name(message: &mut Object) -> Option<String> {
    for name in OLD_NAMES {
        message.take(name);
    }
    message.names().filter(|it| !COMMON.contains(it) && !it.starts_with("forward_")).min().map(str::to_owned)
}

/// A message that Telegram wrote into the chat by itself.
pub fn service(what: String, envelope: Envelope, mut fields: Object) -> Fact {
    let conversation = envelope.conversation();
    let mut about = match &envelope.sender_chat {
        Some(chat) => Some(chat.person()),
        None => envelope.from.and_then(person),
    };
    stated(&mut about, fields.peek(&what).and_then(|it| it.get("order_info")));
    if let Some(id) = envelope.id {
        fields.put("message_id", id);
    }
    let occurred_at = envelope.edit_date.or(envelope.date);
    told(what, occurred_at, about, Some(conversation), Some(envelope.chat), fields)
}

/// Any update that is neither a message nor a button.
pub fn fact(what: String, content: Node, config: Config) -> Option<Fact> {
    let mut fields = match content {
        Node::Object(fields) => fields,
        content => {
            let mut fields = Object::default();
            fields.put(what.clone(), content);
            fields
        }
    };
    let chat = fields.object("chat").map(Chat::read);
    if chat.as_ref().is_some_and(|it| config.ignores(it)) {
        return None;
    }
    let mut about = None;
    let mut occurred_at = None;
    match what.as_str() {
        "deleted_business_messages" => about = chat.as_ref().filter(|it| it.is_private).map(Chat::person),
        "chat_member" => about = user_in(&mut fields, "new_chat_member"),
        "chat_boost" => {
            let mut boost = fields.object("boost").unwrap_or_default();
            about = user_in(&mut boost, "source");
            occurred_at = time(&mut boost, "add_date");
            fields.put("boost", boost);
        }
        "removed_chat_boost" => {
            about = user_in(&mut fields, "source");
            occurred_at = time(&mut fields, "remove_date");
        }
        _ => {}
    }
    if about.is_none() {
        about = whom(&mut fields);
    }
    stated(&mut about, fields.peek("order_info"));
    let part = fields.text("business_connection_id").map_or(Part::Whole, Part::Business);
    let conversation = chat.as_ref().map(|it| it.conversation(part));
    let occurred_at = occurred_at.or_else(|| time(&mut fields, "date"));
    Some(told(what, occurred_at, about, conversation, chat, fields))
}

fn told<'a>(
    what: String,
    occurred_at: Option<Timestamp>,
    person: Option<Person>,
    conversation: Option<ConversationRef>,
    chat: Option<Chat<'a>>,
    mut extra: Object<'a>,
) -> Fact {
    if let Some(chat) = chat {
        chat.tell(&mut extra);
    }
    Fact { occurred_at, body: EventBody::Other(Notice { what, person, conversation, extra: extra.rest() }) }
}

/// The person whom an update is about.
fn whom(fields: &mut Object) -> Option<Person> {
    if let Some(user) = fields.object("from").or_else(|| fields.object("user")) {
        return person(User::read(user));
    }
    // Votes and reactions of a whole channel or of hidden administrators.
    fields.object("voter_chat").or_else(|| fields.object("actor_chat")).map(|it| Chat::read(it).person())
}

/// Takes the user out of an object that otherwise stays where it is.
fn user_in(fields: &mut Object, name: &'static str) -> Option<Person> {
    let mut object = fields.object(name)?;
    let user = object.object("user").map(User::read);
    fields.put(name, object);
    user.and_then(person)
}

/// Adds what the person typed into the order form of a payment.
fn stated(person: &mut Option<Person>, order: Option<&Node>) {
    let (Some(person), Some(order)) = (person, order) else { return };
    let text = |name: &str| order.get(name).and_then(Node::as_str).filter(|it| !it.is_empty());
    person.identities.extend(text("phone_number").map(|it| Identity::phone(it).stated()));
    person.identities.extend(text("email").map(|it| Identity::email(it).stated()));
}
