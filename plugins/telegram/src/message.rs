//! Messages of private chats, groups, channels and business accounts.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::event::EventBody;
use patchbay_sdk::schemas::interaction::{Message, Revision};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Author, Detail, Direction, Identity, Interaction, Person, Source};
use serde_json::Value;

use crate::config::Config;
use crate::fields::Fields;
use crate::map::Fact;
use crate::payload::{Chat, Envelope, User};
use crate::{media, notice};

/// The fact that a message is. `what` is the name of the update's field.
pub fn fact(what: &str, mut fields: Fields, config: Config) -> Result<Option<Fact>, Failure> {
    let envelope = Envelope::take(&mut fields)?;
    if config.ignores(&envelope.chat) {
        return Ok(None);
    }
    let edited = what.starts_with("edited_");
    let submitted = web_app_data(&mut fields)?;
    if let Some(what) = not_said(edited, submitted.is_some(), &mut fields) {
        return Ok(Some(notice::service(what, envelope, fields)));
    }
    let occurred_at = if edited { envelope.edit_date.or(envelope.date) } else { envelope.date };
    let written = fields.text("text")?.or(fields.text("caption")?);
    let text = submitted.clone().or(written);
    let attachments = media::take(&mut fields)?;
    let message = Message {
        id: envelope.id.map(|it| it.to_string()),
        revision: edited.then_some(Revision::Edited),
        reply_to: reply_to(&mut fields)?,
        forwarded_from: forwarded_from(&mut fields)?,
        choice: submitted,
    };
    let conversation = envelope.conversation();
    let mut side = side(what.ends_with("channel_post"), &envelope, &mut fields)?;
    if let Some(user) = envelope.from.filter(|_| side.is_from) {
        let id = user.id;
        side.person = user.person();
        side.person.identities.extend(own_phone(id, &attachments));
    }
    let mut extra = fields.rest();
    notice::about(&mut extra, envelope.chat);
    let source = Source { start: start(text.as_deref()).filter(|_| side.direction == Direction::In), ..Source::default() };
    let interaction = Interaction {
        direction: side.direction,
        person: side.person,
        conversation: Some(conversation),
        text,
        author: side.author,
        attachments,
        source,
        detail: Detail::Message(message),
        extra,
    };
    Ok(Some(Fact { occurred_at, body: EventBody::Message(interaction) }))
}

/// What a message is where nobody says anything in it: a service message, or one of many steps of somebody who shares where they are.
fn not_said(edited: bool, submitted: bool, fields: &mut Fields) -> Option<String> {
    let is_moving = edited && fields.peek("location").is_some_and(|it| it.get("live_period").is_some());
    if is_moving {
        return Some("live_location".to_owned());
    }
    if submitted || media::is_composed(fields) { None } else { notice::service_name(fields) }
}

/// Who wrote, and to whom.
struct Side {
    direction: Direction,
    /// True when the person is the account in `from`.
    is_from: bool,
    person: Person,
    author: Option<Author>,
}

impl Side {
    fn out(person: Person, author: Author) -> Self {
        Self { direction: Direction::Out, is_from: false, person, author: Some(author) }
    }

    fn within(person: Person) -> Self {
        Self { direction: Direction::In, is_from: false, person, author: None }
    }
}

fn side(is_channel: bool, envelope: &Envelope, fields: &mut Fields) -> Result<Side, Failure> {
    let chat = &envelope.chat;
    let signature = fields.text("author_signature")?;
    let by_chat = |it: &Chat| Author { id: Some(it.id.to_string()), name: signature.clone().or_else(|| it.title.clone()) };
    let by_user = |it: &User| Author { id: Some(it.id.to_string()), name: it.name() };
    let helper = fields.object("sender_business_bot")?.map(User::read).transpose()?;
    let is_automatic = fields.flag("is_automatic_forward");
    let nobody = Person::default;
    Ok(match (&envelope.sender_chat, &envelope.from) {
        // A channel's own post, also where Telegram copies it into the group for its comments.
        (sender, _) if is_channel || is_automatic => Side::out(nobody(), by_chat(sender.as_ref().unwrap_or(chat))),
        // The channel answers somebody who wrote to it.
        (Some(sender), _) if chat.is_direct_messages => {
            Side::out(envelope.topic_user.as_ref().map_or_else(nobody, |it| it.clone().person()), by_chat(sender))
        }
        // Somebody writes under the name of a channel or group; `from` is then an account that thousands share.
        (Some(sender), _) => Side::within(sender.person()),
        (None, Some(from)) if from.is_bot || (envelope.is_business() && from.id != chat.id) => {
            let person = if chat.is_private { chat.person() } else { nobody() };
            Side::out(person, by_user(helper.as_ref().unwrap_or(from)))
        }
        (None, Some(_)) => Side { is_from: true, ..Side::within(nobody()) },
        (None, None) if chat.is_private => Side::within(chat.person()),
        (None, None) => Side::within(nobody()),
    })
}

/// The phone of a shared contact card, where the card is the sender's own.
fn own_phone(sender: i64, attachments: &[Attachment]) -> Option<Identity> {
    let card = attachments.iter().find(|it| it.kind == AttachmentKind::Contact)?;
    let is_own = card.extra.get("user_id").and_then(Value::as_i64) == Some(sender);
    card.extra.get("phone_number").and_then(Value::as_str).filter(|_| is_own).map(Identity::phone)
}

/// What a web app that the bot opened sent back.
fn web_app_data(fields: &mut Fields) -> Result<Option<String>, Failure> {
    fields.object("web_app_data")?.map_or(Ok(None), |mut it| it.text("data"))
}

/// The payload of a deep link: `/start <payload>`, in groups `/start@bot <payload>`.
fn start(text: Option<&str>) -> Option<String> {
    let (command, payload) = text?.split_once(char::is_whitespace)?;
    let is_start = command == "/start" || command.starts_with("/start@");
    Some(payload.trim().to_owned()).filter(|it| is_start && !it.is_empty())
}

fn reply_to(fields: &mut Fields) -> Result<Option<String>, Failure> {
    let Some(mut earlier) = fields.object("reply_to_message")? else { return Ok(None) };
    Ok(earlier.int("message_id")?.map(|it| it.to_string()))
}

/// The name of who wrote it first, by today's `forward_origin` or by the fields that stood for it until Bot API 7.0.
fn forwarded_from(fields: &mut Fields) -> Result<Option<String>, Failure> {
    let mut user = None;
    let mut chat = None;
    let mut name = None;
    if let Some(mut origin) = fields.object("forward_origin")? {
        user = origin.object("sender_user")?;
        chat = origin.object("sender_chat")?.or(origin.object("chat")?);
        name = origin.text("sender_user_name")?;
    }
    let user = user.or(fields.object("forward_from")?).map(User::read).transpose()?;
    let chat = chat.or(fields.object("forward_from_chat")?).map(Chat::read).transpose()?;
    let name = name.or(fields.text("forward_sender_name")?);
    let id = user.as_ref().map(|it| it.id).or(chat.as_ref().map(|it| it.id));
    Ok(user.and_then(|it| it.name()).or(chat.and_then(|it| it.person().name.display())).or(name).or(id.map(|it| it.to_string())))
}
