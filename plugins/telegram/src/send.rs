//! From a message that the hub wants sent to calls of the Bot API.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::command::{Button, ButtonAction, MessageSend};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra};
use serde_json::{Value, json};

use crate::place::{Part, Place};
use crate::text::{CAPTION, MESSAGE, length, pieces};

/// Most bytes of a button's data.
const CHOICE: usize = 64;

/// One call of the Bot API that sends one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `sendMessage`, `sendPhoto`.
    pub method: &'static str,
    /// Its parameters without `chat_id`.
    pub parameters: Extra,
}

/// The calls that send this message, in order: one, or several where a text is too long for one.
///
/// The answer is attached to the first of them, the buttons stand under the last.
pub fn calls(place: &Place, message: &MessageSend) -> Result<Vec<Call>, Failure> {
    let text = message.text.as_deref().unwrap_or_default();
    let mut calls = Vec::new();
    let mut texts = pieces(text, MESSAGE);
    if let Some(attachment) = &message.attachment {
        let mut call = file(attachment)?;
        if takes_caption(call.method) && !texts.is_empty() && length(text.trim()) <= CAPTION {
            call.parameters.insert("caption".to_owned(), Value::from(text.trim()));
            texts.clear();
        }
        calls.push(call);
    }
    calls.extend(texts.into_iter().map(|it| call("sendMessage", [("text", Value::from(it))])));
    if let (Some(first), Some(id)) = (calls.first_mut(), &message.reply_to) {
        first.parameters.insert("reply_parameters".to_owned(), reply(id)?);
    }
    let keyboard = keyboard(&message.buttons)?;
    match calls.last_mut() {
        None => return Err(refused("telegram.empty", "there is neither a text nor a file to send")),
        Some(last) => last.parameters.extend(keyboard.map(|it| ("reply_markup".to_owned(), it))),
    }
    for call in &mut calls {
        call.parameters.extend(part(&place.part).map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(calls)
}

fn part(part: &Part) -> Option<(&'static str, Value)> {
    match part {
        Part::Whole => None,
        Part::Topic(id) => Some(("message_thread_id", Value::from(*id))),
        Part::Direct(id) => Some(("direct_messages_topic_id", Value::from(*id))),
        Part::Business(id) => Some(("business_connection_id", Value::from(id.as_str()))),
    }
}

fn file(attachment: &Attachment) -> Result<Call, Failure> {
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
    Ok(call(method, [(name, Value::from(source))]))
}

fn location(extra: &Extra) -> Result<Call, Failure> {
    if !(extra.get("latitude").is_some_and(Value::is_number) && extra.get("longitude").is_some_and(Value::is_number)) {
        return Err(refused("telegram.location", "a location needs `latitude` and `longitude` in `extra`"));
    }
    let is_venue = extra.contains_key("title") && extra.contains_key("address");
    let names: &[&str] = if is_venue {
        &["latitude", "longitude", "title", "address", "foursquare_id", "foursquare_type", "google_place_id", "google_place_type"]
    } else {
        &["latitude", "longitude"]
    };
    Ok(copied(if is_venue { "sendVenue" } else { "sendLocation" }, extra, names))
}

fn contact(extra: &Extra) -> Result<Call, Failure> {
    if !(extra.get("phone_number").is_some_and(Value::is_string) && extra.get("first_name").is_some_and(Value::is_string)) {
        return Err(refused("telegram.contact", "a contact needs `phone_number` and `first_name` in `extra`"));
    }
    Ok(copied("sendContact", extra, &["phone_number", "first_name", "last_name", "vcard"]))
}

fn copied(method: &'static str, extra: &Extra, names: &[&str]) -> Call {
    let parameters = names.iter().filter_map(|it| extra.get(*it).map(|value| ((*it).to_owned(), value.clone()))).collect();
    Call { method, parameters }
}

/// Stickers, round videos, places and cards have no text of their own: it follows as a message.
fn takes_caption(method: &str) -> bool {
    matches!(method, "sendPhoto" | "sendVideo" | "sendAnimation" | "sendAudio" | "sendVoice" | "sendDocument")
}

fn reply(id: &str) -> Result<Value, Failure> {
    let id: i64 = id.parse().map_err(|_| refused("telegram.reply_to", &format!("`{id}` is not the id of a Telegram message")))?;
    // Somebody may have deleted the question meanwhile: the answer is sent all the same.
    Ok(json!({ "message_id": id, "allow_sending_without_reply": true }))
}

fn keyboard(rows: &[Vec<Button>]) -> Result<Option<Value>, Failure> {
    let rows: Vec<Value> = rows
        .iter()
        .filter(|it| !it.is_empty())
        .map(|row| row.iter().map(button).collect::<Result<Vec<_>, _>>().map(Value::Array))
        .collect::<Result<_, _>>()?;
    Ok((!rows.is_empty()).then(|| json!({ "inline_keyboard": rows })))
}

fn button(button: &Button) -> Result<Value, Failure> {
    let text = button.text.trim();
    if text.is_empty() {
        return Err(refused("telegram.button", "a button has no text"));
    }
    match &button.action {
        ButtonAction::Choice(data) if data.is_empty() || data.len() > CHOICE => {
            let length = data.len();
            Err(refused("telegram.button", &format!("the choice of button «{text}» has {length} bytes, Telegram takes 1 to {CHOICE}")))
        }
        ButtonAction::Choice(data) => Ok(json!({ "text": text, "callback_data": data })),
        ButtonAction::Url(url) => Ok(json!({ "text": text, "url": url })),
    }
}

fn call<const N: usize>(method: &'static str, parameters: [(&str, Value); N]) -> Call {
    Call { method, parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn refused(code: &str, message: &str) -> Failure {
    Failure::never(code, message)
}
