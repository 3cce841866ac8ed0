//! Reads the one command that every messenger understands.
//!
//! By hand, because what `derive` makes of these few types is 18 kB, a seventh of a messenger. The struct literals keep it
//! complete, and a test holds it against `derive`.

use patchbay_schemas::command::{Button, ButtonAction, MessageSend};
use patchbay_schemas::{Attachment, AttachmentKind, ConversationRef, Extra};
use serde_json::Value;

use super::Error;

/// Reads the payload of `message.send`.
pub fn message_send(payload: Value) -> Result<MessageSend, Error> {
    let mut fields = object(payload, "the payload")?;
    let conversation = fields.remove("conversation").ok_or_else(|| wrong("conversation", "is missing"))?;
    Ok(MessageSend {
        conversation: conversation_ref(object(conversation, "conversation")?)?,
        text: text(&mut fields, "text")?,
        attachment: fields.remove("attachment").filter(|it| !it.is_null()).map(attachment).transpose()?,
        buttons: rows(fields.remove("buttons"))?,
        reply_to: text(&mut fields, "reply_to")?,
    })
}

fn conversation_ref(mut fields: Extra) -> Result<ConversationRef, Error> {
    Ok(ConversationRef { key: needed(&mut fields, "key")?, title: text(&mut fields, "title")? })
}

fn attachment(value: Value) -> Result<Attachment, Error> {
    let mut fields = object(value, "attachment")?;
    let kind = match needed(&mut fields, "kind")?.as_str() {
        "photo" => AttachmentKind::Photo,
        "video" => AttachmentKind::Video,
        "audio" => AttachmentKind::Audio,
        "voice" => AttachmentKind::Voice,
        "document" => AttachmentKind::Document,
        "sticker" => AttachmentKind::Sticker,
        "location" => AttachmentKind::Location,
        "contact" => AttachmentKind::Contact,
        "other" => AttachmentKind::Other,
        _ => return Err(wrong("kind", "is not one of the known values")),
    };
    Ok(Attachment {
        kind,
        reference: text(&mut fields, "reference")?,
        url: text(&mut fields, "url")?,
        name: text(&mut fields, "name")?,
        mime: text(&mut fields, "mime")?,
        size: size(fields.remove("size"))?,
        extra: fields.remove("extra").map_or_else(|| Ok(Extra::new()), |it| object(it, "extra"))?,
    })
}

/// A whole number may be written with a fraction of zero.
fn size(value: Option<Value>) -> Result<Option<u64>, Error> {
    let Some(number) = value.filter(|it| !it.is_null()) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
    let whole = |it: f64| (it.fract() == 0.0 && (0.0..9e15).contains(&it)).then_some(it as u64);
    number.as_u64().or_else(|| number.as_f64().and_then(whole)).map(Some).ok_or_else(|| wrong("size", "is not a whole number"))
}

fn rows(value: Option<Value>) -> Result<Vec<Vec<Button>>, Error> {
    let mut rows = Vec::new();
    for row in list(value)? {
        let mut buttons = Vec::new();
        for it in list(Some(row))? {
            buttons.push(button(object(it, "a button")?)?);
        }
        rows.push(buttons);
    }
    Ok(rows)
}

fn button(mut fields: Extra) -> Result<Button, Error> {
    let action = match (text(&mut fields, "choice")?, text(&mut fields, "url")?) {
        (Some(choice), None) => ButtonAction::Choice(choice),
        (None, Some(url)) => ButtonAction::Url(url),
        _ => return Err(wrong("a button", "has either a `choice` or a `url`")),
    };
    Ok(Button { text: needed(&mut fields, "text")?, action })
}

#[inline(never)]
fn object(value: Value, name: &str) -> Result<Extra, Error> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(wrong(name, "is not an object")),
    }
}

fn list(value: Option<Value>) -> Result<Vec<Value>, Error> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong("buttons", "are not rows of buttons")),
    }
}

#[inline(never)]
fn text(fields: &mut Extra, name: &str) -> Result<Option<String>, Error> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(name, "is not a text")),
    }
}

fn needed(fields: &mut Extra, name: &str) -> Result<String, Error> {
    text(fields, name)?.ok_or_else(|| wrong(name, "is missing"))
}

#[cold]
#[inline(never)]
fn wrong(name: &str, what: &str) -> Error {
    Error(["`", name, "` ", what].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::message_send;

    fn agrees(payload: &Value) {
        assert_eq!(message_send(payload.clone()).ok(), serde_json::from_value(payload.clone()).ok(), "{payload}");
    }

    #[test]
    fn a_message_is_read_as_derive_reads_it() {
        let whole = json!({
            "conversation": { "key": "5", "title": "Клиенты" }, "text": "x", "reply_to": "7",
            "attachment": { "kind": "photo", "reference": "r", "url": "u", "name": "n", "mime": "m", "size": 12.0, "extra": { "a": [1] } },
            "buttons": [[{ "text": "a", "choice": "b" }, { "text": "c", "url": "d" }], []]
        });
        agrees(&whole);
        assert!(message_send(whole.clone()).is_ok());
        for place in ["", "/conversation", "/attachment", "/buttons/0/0", "/buttons/0/1"] {
            let names: Vec<String> = whole.pointer(place).and_then(Value::as_object).expect(place).keys().cloned().collect();
            for name in names {
                for odd in [json!(null), json!(1), json!(-1.5), json!("photo"), json!([]), json!({})] {
                    let mut damaged = whole.clone();
                    damaged.pointer_mut(place).expect(place)[&name] = odd;
                    agrees(&damaged);
                }
                let mut damaged = whole.clone();
                damaged.pointer_mut(place).and_then(Value::as_object_mut).expect(place).remove(&name);
                agrees(&damaged);
            }
        }
    }

    #[test]
    fn every_kind_of_attachment_is_known() {
        for kind in ["photo", "video", "audio", "voice", "document", "sticker", "location", "contact", "other", "hologram"] {
            agrees(&json!({ "conversation": { "key": "5" }, "attachment": { "kind": kind } }));
        }
    }
}
