//! Messages of private chats, groups, channels and business accounts.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::{Message, Revision};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Author, Detail, Direction, Identity, Interaction, Person, Source};
use serde_json::Value;

use crate::config::Config;
use crate::map::Fact;
use crate::payload::{Chat, Envelope, User};
use crate::{media, notice};

/// The fact that a message is. `what` is the name of the update's field.
pub fn fact(what: &str, mut fields: Object, config: Config) -> Option<Fact> {
    let mut envelope = Envelope::take(&mut fields);
    if config.ignores(&envelope.chat) {
        return None;
    }
    let edited = what.starts_with("edited_");
    // What a web app that the bot opened sent back.
    let submitted = fields.object("web_app_data").and_then(|mut it| it.text("data"));
    if let Some(what) = not_said(edited, submitted.is_some(), &mut fields) {
        return Some(notice::service(what, envelope, fields));
    }
    let text = submitted.clone().or_else(|| fields.text("text")).or_else(|| fields.text("caption"));
    let attachments = media::take(&mut fields);
    let message = Message {
        id: envelope.id.map(|it| it.to_string()),
        revision: edited.then_some(Revision::Edited),
        reply_to: fields.object("reply_to_message").and_then(|mut it| it.int("message_id")).map(|it| it.to_string()),
        forwarded_from: forwarded_from(&mut fields),
        choice: submitted,
    };
    let side = side(what.ends_with("channel_post"), &mut envelope, &mut fields, &attachments);
    let start = if side.direction == Direction::In { text.as_deref().and_then(start) } else { None };
    let occurred_at = if edited { envelope.edit_date.or(envelope.date) } else { envelope.date };
    let conversation = envelope.conversation();
    envelope.chat.tell(&mut fields);
    let interaction = Interaction {
        direction: side.direction,
        person: side.person,
        conversation: Some(conversation),
        text,
        author: side.author,
        attachments,
        source: Source { start, ..Source::default() },
        detail: Detail::Message(message),
        extra: fields.rest(),
    };
    Some(Fact { occurred_at, body: EventBody::Message(interaction) })
}

/// What a message is where nobody says anything in it: a service message, or one of many steps of somebody who shares where they are.
fn not_said(edited: bool, submitted: bool, fields: &mut Object) -> Option<String> {
    let is_moving = edited && fields.peek("location").is_some_and(|it| it.get("live_period").is_some());
    if is_moving {
        return Some("live_location".to_owned());
    }
    if submitted || media::is_composed(fields) { None } else { notice::service_name(fields) }
}

/// Who wrote, and to whom.
struct Side {
    direction: Direction,
    person: Person,
    author: Option<Author>,
}

impl Side {
    fn out(person: Option<Person>, author: Author) -> Self {
        Self { direction: Direction::Out, person: person.unwrap_or_default(), author: Some(author) }
    }

    fn within(person: Option<Person>) -> Self {
        Self { direction: Direction::In, person: person.unwrap_or_default(), author: None }
    }
}

fn side(is_channel: bool, envelope: &mut Envelope, fields: &mut Object, attachments: &[Attachment]) -> Side {
    let chat = &envelope.chat;
    let in_private = || chat.is_private.then(|| chat.person());
    let signature = fields.text("author_signature");
    let helper = fields.object("sender_business_bot").map(User::read);
    let is_automatic = fields.flag("is_automatic_forward");
    let is_business = envelope.is_business();
    match (&envelope.sender_chat, envelope.from.take()) {
        // A channel's own post, also where Telegram copies it into the group for its comments.
        (sender, _) if is_channel || is_automatic => Side::out(None, chat_author(sender.as_ref().unwrap_or(chat), signature)),
        // The channel answers somebody who wrote to it.
        (Some(sender), _) if chat.is_direct_messages => {
            Side::out(envelope.topic_user.take().map(User::person), chat_author(sender, signature))
        }
        // Somebody writes under the name of a channel or group; `from` is then an account that thousands share.
        (Some(sender), _) => Side::within(Some(sender.person())),
        (None, Some(from)) if from.is_bot || (is_business && from.id != Some(chat.id)) => {
            Side::out(in_private(), user_author(helper.as_ref().unwrap_or(&from)))
        }
        (None, Some(from)) => {
            let phone = own_phone(from.id, attachments);
            let mut person = from.person();
            person.identities.extend(phone);
            Side::within(Some(person))
        }
        (None, None) => Side::within(in_private()),
    }
}

fn chat_author(chat: &Chat, signature: Option<String>) -> Author {
    Author { id: Some(chat.id.to_string()), name: signature.or_else(|| chat.title.clone()) }
}

fn user_author(user: &User) -> Author {
    Author { id: user.id.map(|it| it.to_string()), name: user.name() }
}

/// The phone of a shared contact card, where the card is the sender's own.
fn own_phone(sender: Option<i64>, attachments: &[Attachment]) -> Option<Identity> {
    let card = attachments.iter().find(|it| it.kind == AttachmentKind::Contact)?;
    let owner = card.extra.get("user_id").and_then(Value::as_i64)?;
    card.extra.get("phone_number").and_then(Value::as_str).filter(|_| sender == Some(owner)).map(Identity::phone)
}

/// The payload of a deep link: `/start <payload>`, in groups `/start@bot <payload>`.
fn start(text: &str) -> Option<String> {
    let rest = text.strip_prefix("/start")?;
    let (bot, payload) = rest.split_once([' ', '\n'])?;
    let payload = payload.trim();
    ((bot.is_empty() || bot.starts_with('@')) && !payload.is_empty()).then(|| payload.to_owned())
}

/// The name of who wrote it first, by today's `forward_origin` or by the fields that stood for it until Bot API 7.0.
fn forwarded_from(fields: &mut Object) -> Option<String> {
    let (user, chat, name) = match fields.object("forward_origin") {
        Some(mut origin) => {
            (origin.object("sender_user"), origin.object("sender_chat").or_else(|| origin.object("chat")), origin.text("sender_user_name"))
        }
        None => (None, None, None),
    };
    // The old fields come along with the new one: all of them are taken.
    let (old_user, old_chat) = (fields.object("forward_from"), fields.object("forward_from_chat"));
    let name = fields.text("forward_sender_name").or(name);
    if let Some(user) = user.or(old_user).map(User::read) {
        return user.name().or_else(|| user.id.map(|it| it.to_string()));
    }
    if let Some(chat) = chat.or(old_chat).map(Chat::read) {
        return chat.person().name.display().or_else(|| Some(chat.id.to_string()));
    }
    name
}
