//! From a message that the hub wants sent to messages of the Cloud API:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages>.

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::MessageSend;
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra};
use patchbay_sdk::text::{length, pieces};
use serde_json::Value;

use crate::interactive;
use crate::place::{Place, To};

/// Longest text of a message. Meta says "characters": no way of counting gives more of them than UTF-16 units.
pub const MESSAGE: usize = 4096;
/// Longest text under a file.
const CAPTION: usize = 1024;

/// The bodies to post, in order: one, or several where a text is too long or does not go with the file.
///
/// The answer is attached to the first of them, the buttons stand under the last.
pub fn parts<'a>(place: &'a Place, message: &'a MessageSend) -> Result<Vec<Object<'a>>, Failure> {
    let text = message.text.as_deref().unwrap_or_default().trim();
    let mut contents = Vec::new();
    let mut texts = pieces(text, MESSAGE);
    let attachment = message.attachment.as_ref();
    let choices = interactive::choices(&message.buttons)?;
    if let Some(attachment) = attachment.filter(|it| is_template_of(it)) {
        if choices.is_some() || !text.is_empty() {
            return Err(refused("whatsapp.template", "a template has its text and its buttons in itself: send it without any others"));
        }
        contents.push(template(&attachment.extra)?);
    } else if let Some(choices) = choices {
        let body_limit = choices.body_limit();
        if text.is_empty() {
            return Err(refused("whatsapp.button", "WhatsApp takes buttons only under a text"));
        }
        // The last piece is the text above the buttons; what goes before it are messages of their own.
        let mut pieces = pieces(text, body_limit);
        let body = pieces.pop().unwrap_or_default();
        let header = match attachment {
            Some(it) if pieces.is_empty() && choices.takes_header() => Some(file(it)?).filter(|it| interactive::is_header(it.kind)),
            _ => None,
        };
        if let (None, Some(it)) = (&header, attachment) {
            contents.push(file(it)?.content());
        }
        contents.extend(pieces.into_iter().map(text_content));
        contents.push(choices.content(body, header));
    } else {
        if let Some(attachment) = attachment {
            let mut file = file(attachment)?;
            if file.takes_caption() && !texts.is_empty() && length(text) <= CAPTION {
                file.object.put("caption", text);
                texts.clear();
            }
            contents.push(file.content());
        }
        contents.extend(texts.into_iter().map(text_content));
    }
    if contents.is_empty() {
        return Err(refused("whatsapp.empty", "there is neither a text nor a file to send"));
    }
    if let (Some(first), Some(id)) = (contents.first_mut(), &message.reply_to) {
        let mut context = Object::default();
        context.put("message_id", id.as_str());
        first.put("context", context);
    }
    for content in &mut contents {
        address(content, &place.to);
    }
    Ok(contents)
}

/// True for a message that may be sent at any time.
#[must_use]
pub fn is_template(message: &MessageSend) -> bool {
    message.attachment.as_ref().is_some_and(is_template_of)
}

fn is_template_of(attachment: &Attachment) -> bool {
    attachment.kind == AttachmentKind::Other && attachment.extra.get("type").and_then(Value::as_str) == Some("template")
}

fn address<'a>(content: &mut Object<'a>, to: &'a To) {
    content.put("messaging_product", "whatsapp");
    let (kind, name, id) = match to {
        To::Phone(id) => ("individual", "to", id),
        To::User(id) => ("individual", "recipient", id),
        To::Group(id) => ("group", "to", id),
    };
    content.put("recipient_type", kind);
    content.put(name, id.as_str());
}

fn text_content(text: &str) -> Object<'_> {
    let mut object = Object::default();
    object.put("body", text);
    object.put("preview_url", true);
    content("text", object)
}

/// A message of this type: `{"type": "text", "text": {…}}`.
#[must_use]
pub fn content<'a>(kind: &'static str, object: Object<'a>) -> Object<'a> {
    let mut content = Object::default();
    content.put("type", kind);
    content.put(kind, object);
    content
}

/// A file, place or card as the Cloud API takes it.
#[derive(Debug)]
pub struct File<'a> {
    /// The type of message: `image`, `document`.
    pub kind: &'static str,
    /// What stands under it.
    pub object: Object<'a>,
    cards: Option<Vec<Node<'a>>>,
}

impl<'a> File<'a> {
    /// The message that holds nothing else.
    #[must_use]
    pub fn content(self) -> Object<'a> {
        let Some(cards) = self.cards else { return content(self.kind, self.object) };
        let mut content = Object::default();
        content.put("type", self.kind);
        content.put(self.kind, cards);
        content
    }

    fn takes_caption(&self) -> bool {
        matches!(self.kind, "image" | "video" | "document")
    }
}

fn file(attachment: &Attachment) -> Result<File<'_>, Failure> {
    let kind = match attachment.kind {
        AttachmentKind::Location => return location(attachment),
        AttachmentKind::Contact => return contact(attachment),
        AttachmentKind::Photo => "image",
        AttachmentKind::Video => "video",
        AttachmentKind::Audio | AttachmentKind::Voice => "audio",
        AttachmentKind::Sticker => "sticker",
        AttachmentKind::Document | AttachmentKind::Other => "document",
    };
    let (name, source) = match (&attachment.reference, &attachment.url) {
        (Some(id), _) => ("id", id),
        (None, Some(url)) => ("link", url),
        (None, None) => return Err(refused("whatsapp.file", "the attachment has neither an id of uploaded media nor an address")),
    };
    let mut object = Object::default();
    object.put(name, source.as_str());
    if attachment.kind == AttachmentKind::Voice {
        object.put("voice", true);
    }
    if let (Some(name), "document") = (&attachment.name, kind) {
        object.put("filename", name.as_str());
    }
    Ok(File { kind, object, cards: None })
}

fn location(attachment: &Attachment) -> Result<File<'_>, Failure> {
    let object = copied(&attachment.extra, &["latitude", "longitude", "name", "address"]);
    if object.peek("latitude").is_none() || object.peek("longitude").is_none() {
        return Err(refused("whatsapp.location", "a location needs `latitude` and `longitude` in `extra`"));
    }
    Ok(File { kind: "location", object, cards: None })
}

/// A card as the Cloud API has it (`extra` with `name` and `phones`), or the name of the attachment with `extra.phone`.
fn contact(attachment: &Attachment) -> Result<File<'_>, Failure> {
    let extra = &attachment.extra;
    let mut card = copied(extra, &["name", "phones", "emails", "org", "addresses", "urls", "birthday"]);
    if card.peek("phones").is_none()
        && let Some(phone) = extra.get("phone").or_else(|| extra.get("phone_number")).filter(|it| it.is_string())
    {
        let mut entry = Object::default();
        entry.put("phone", phone);
        card.put("phones", vec![Node::Object(entry)]);
    }
    if card.peek("name").is_none()
        && let Some(full) = &attachment.name
    {
        let mut name = Object::default();
        name.put("formatted_name", full.as_str());
        name.put("first_name", full.as_str());
        card.put("name", name);
    }
    if card.peek("name").is_none() || card.peek("phones").is_none() {
        return Err(refused("whatsapp.contact", "a contact needs a `name` and `extra.phone` (or `extra.phones`)"));
    }
    Ok(File { kind: "contacts", object: Object::default(), cards: Some(vec![Node::Object(card)]) })
}

/// `extra` of a template: `name`, `language` and, where it has places to fill in, `components` as the Cloud API takes them or
/// `parameters`, the texts of its body in order.
fn template(extra: &Extra) -> Result<Object<'_>, Failure> {
    let text = |name: &str| extra.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let (Some(name), Some(code)) = (text("name"), text("language")) else {
        return Err(refused("whatsapp.template", "a template needs `name` and `language` in `extra`"));
    };
    let mut language = Object::default();
    language.put("code", code);
    let mut object = Object::default();
    object.put("name", name);
    object.put("language", language);
    match (extra.get("components"), extra.get("parameters")) {
        (Some(components @ Value::Array(_)), _) => object.put("components", components),
        (None, Some(Value::Array(texts))) if !texts.is_empty() => {
            let mut body = Object::default();
            body.put("type", "body");
            body.put("parameters", texts.iter().map(parameter).collect::<Result<Vec<_>, _>>()?);
            object.put("components", vec![Node::Object(body)]);
        }
        (None, None | Some(Value::Array(_))) => {}
        _ => return Err(refused("whatsapp.template", "`components` and `parameters` of a template are lists")),
    }
    Ok(content("template", object))
}

fn parameter(text: &Value) -> Result<Node<'_>, Failure> {
    let text = text.as_str().ok_or_else(|| refused("whatsapp.template", "the parameters of a template are texts"))?;
    let mut parameter = Object::default();
    parameter.put("type", "text");
    parameter.put("text", text);
    Ok(parameter.into())
}

fn copied<'a>(extra: &'a Extra, names: &[&'static str]) -> Object<'a> {
    let mut object = Object::default();
    for name in names {
        if let Some(value) = extra.get(*name).filter(|it| !it.is_null()) {
            object.put(*name, value);
        }
    }
    object
}

#[cold]
fn refused(code: &str, message: &str) -> Failure {
    Failure::never(code, message)
}
