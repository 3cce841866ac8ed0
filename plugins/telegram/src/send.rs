//! From a message that the hub wants sent to calls of the Bot API.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::{Button, ButtonAction, MessageSend};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra};
use patchbay_sdk::text::{length, pieces};
use serde_json::Value;

use crate::place::{Part, Place};

/// Longest text of a message, in UTF-16 units.
const MESSAGE: usize = 4096;
/// Longest text under a file.
const CAPTION: usize = 1024;
/// Most bytes of a button's data.
const CHOICE: usize = 64;

/// One call of the Bot API that sends one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// `sendMessage`, `sendPhoto`.
    pub method: &'static str,
    /// Its parameters without `chat_id`.
    pub parameters: Object<'a>,
}

/// The calls that send this message, in order: one, or several where a text is too long for one.
///
/// The answer is attached to the first of them, the buttons stand under the last.
pub fn calls<'a>(place: &'a Place, message: &'a MessageSend) -> Result<Vec<Call<'a>>, Failure> {
    let text = message.text.as_deref().unwrap_or_default();
    let mut calls = Vec::new();
    let mut texts = pieces(text, MESSAGE);
    if let Some(attachment) = &message.attachment {
        let mut call = file(attachment)?;
        if takes_caption(call.method) && !texts.is_empty() && length(text.trim()) <= CAPTION {
            call.parameters.put("caption", text.trim());
            texts.clear();
        }
        calls.push(call);
    }
    for text in texts {
        calls.push(call("sendMessage", "text", text));
    }
    if let (Some(first), Some(id)) = (calls.first_mut(), &message.reply_to) {
        first.parameters.put("reply_parameters", reply(id)?);
    }
    let Some(last) = calls.last_mut() else {
        return Err(refused("telegram.empty", "there is neither a text nor a file to send"));
    };
    if let Some(keyboard) = keyboard(&message.buttons)? {
        last.parameters.put("reply_markup", keyboard);
    }
    for call in &mut calls {
        match &place.part {
            Part::Whole => {}
            Part::Topic(id) => call.parameters.put("message_thread_id", *id),
            Part::Direct(id) => call.parameters.put("direct_messages_topic_id", *id),
            Part::Business(id) => call.parameters.put("business_connection_id", id.as_str()),
        }
    }
    Ok(calls)
}

fn file(attachment: &Attachment) -> Result<Call<'_>, Failure> {
    let (method, name) = match (attachment.kind, attachment.extra.get("type").and_then(Value::as_str)) {
        (AttachmentKind::Location, _) => return location(&attachment.extra),
        (AttachmentKind::Contact, _) => return contact(&attachment.extra),
        (AttachmentKind::Video, Some("animation")) => ("sendAnimation", "animation"),
        (AttachmentKind::Video, Some("video_note")) => ("sendVideoNote", "video_note"),
        (AttachmentKind::Photo, _) => ("sendPhoto", "photo"),
        (AttachmentKind::Video, _) => ("sendVideo", "video"),
        (AttachmentKind::Audio, _) => ("sendAudio", "audio"),
        (AttachmentKind::Voice, _) => ("sendVoice", "voice"),
        (AttachmentKind::Sticker, _) => ("sendSticker", "sticker"),
        (AttachmentKind::Document | AttachmentKind::Other, _) => ("sendDocument", "document"),
    };
    let source = attachment.reference.as_deref().or(attachment.url.as_deref());
    let source = source.ok_or_else(|| refused("telegram.file", "the attachment has neither a Telegram file_id nor an address"))?;
    Ok(call(method, name, source))
}

fn location(extra: &Extra) -> Result<Call<'_>, Failure> {
    if !(extra.get("latitude").is_some_and(Value::is_number) && extra.get("longitude").is_some_and(Value::is_number)) {
        return Err(refused("telegram.location", "a location needs `latitude` and `longitude` in `extra`"));
    }
    let is_venue = extra.contains_key("title") && extra.contains_key("address");
    let names: &[&'static str] = if is_venue {
        &["latitude", "longitude", "title", "address", "foursquare_id", "foursquare_type", "google_place_id", "google_place_type"]
    } else {
        &["latitude", "longitude"]
    };
    Ok(copied(if is_venue { "sendVenue" } else { "sendLocation" }, extra, names))
}

fn contact(extra: &Extra) -> Result<Call<'_>, Failure> {
    if !(extra.get("phone_number").is_some_and(Value::is_string) && extra.get("first_name").is_some_and(Value::is_string)) {
        return Err(refused("telegram.contact", "a contact needs `phone_number` and `first_name` in `extra`"));
    }
    Ok(copied("sendContact", extra, &["phone_number", "first_name", "last_name", "vcard"]))
}

fn copied<'a>(method: &'static str, extra: &'a Extra, names: &[&'static str]) -> Call<'a> {
    let mut parameters = Object::default();
    for name in names {
        match extra.get(*name) {
            Some(Value::String(text)) => parameters.put(*name, text.as_str()),
            Some(Value::Number(number)) => parameters.put(*name, Node::Number(number.clone())),
            _ => {}
        }
    }
    Call { method, parameters }
}

/// Stickers, round videos, places and cards have no text of their own: it follows as a message.
fn takes_caption(method: &str) -> bool {
    matches!(method, "sendPhoto" | "sendVideo" | "sendAnimation" | "sendAudio" | "sendVoice" | "sendDocument")
}

fn reply(id: &str) -> Result<Object<'static>, Failure> {
    let id: i64 = id.parse().map_err(|_| refused("telegram.reply_to", &format!("`{id}` is not the id of a Telegram message")))?;
    // Somebody may have deleted the question meanwhile: the answer is sent all the same.
    let mut reply = Object::default();
    reply.put("message_id", id);
    reply.put("allow_sending_without_reply", true);
    Ok(reply)
}

fn keyboard(rows: &[Vec<Button>]) -> Result<Option<Object<'_>>, Failure> {
    let mut keyboard = Vec::new();
    for row in rows {
        let mut keys = Vec::with_capacity(row.len());
        for it in row {
            keys.push(Node::from(button(it)?));
        }
        if !keys.is_empty() {
            keyboard.push(Node::List(keys));
        }
    }
    if keyboard.is_empty() {
        return Ok(None);
    }
    let mut markup = Object::default();
    markup.put("inline_keyboard", keyboard);
    Ok(Some(markup))
}

fn button(button: &Button) -> Result<Object<'_>, Failure> {
    let text = button.text.trim();
    if text.is_empty() {
        return Err(refused("telegram.button", "a button has no text"));
    }
    let (name, value) = match &button.action {
        ButtonAction::Choice(data) if data.is_empty() || data.len() > CHOICE => {
            let length = data.len();
            let reason = format!("the choice of button «{text}» has {length} bytes, Telegram takes 1 to {CHOICE}");
            return Err(refused("telegram.button", &reason));
        }
        ButtonAction::Choice(data) => ("callback_data", data),
        ButtonAction::Url(url) => ("url", url),
    };
    let mut key = Object::default();
    key.put("text", text);
    key.put(name, value.as_str());
    Ok(key)
}

fn call<'a>(method: &'static str, name: &'static str, value: &'a str) -> Call<'a> {
    let mut parameters = Object::default();
    parameters.put(name, value);
    Call { method, parameters }
}

fn refused(code: &str, message: &str) -> Failure {
    Failure::never(code, message)
}
