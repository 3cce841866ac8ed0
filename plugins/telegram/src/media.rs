//! What came along with a message: files by reference, places, cards, polls.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra, Name};
use serde_json::Value;

use crate::fields::Fields;

/// Fields of a message that hold one file.
const FILES: [(&str, AttachmentKind); 8] = [
    ("animation", AttachmentKind::Video),
    ("audio", AttachmentKind::Audio),
    ("document", AttachmentKind::Document),
    ("live_photo", AttachmentKind::Video),
    ("sticker", AttachmentKind::Sticker),
    ("video", AttachmentKind::Video),
    ("video_note", AttachmentKind::Video),
    ("voice", AttachmentKind::Voice),
];

/// Fields of a message that hold something which is neither a file nor a place nor a card.
const THINGS: [&str; 8] = ["checklist", "dice", "game", "giveaway", "giveaway_winners", "invoice", "poll", "story"];

/// Fields of a message that somebody composed. A message with none of them and some other field is a service message.
const COMPOSED: [&str; 7] = ["text", "caption", "contact", "location", "paid_media", "photo", "venue"];

/// True when somebody composed this, false when Telegram wrote it into the chat by itself.
pub fn is_composed(message: &Fields) -> bool {
    message.names().any(|it| COMPOSED.contains(&it) || THINGS.contains(&it) || FILES.iter().any(|(file, _)| *file == it))
}

/// Takes everything that came along.
pub fn take(message: &mut Fields) -> Result<Vec<Attachment>, Failure> {
    let mut found = Vec::new();
    if message.has("animation") {
        message.take("document"); // the same file, for programs older than animations
    }
    for (name, kind) in FILES {
        if let Some(fields) = message.object(name)? {
            found.push(file(kind, name, fields)?);
        }
    }
    let sizes = message.list("photo")?;
    if let Some(fields) = largest(sizes)? {
        found.push(file(AttachmentKind::Photo, "photo", fields)?);
    }
    if let Some(paid) = message.object("paid_media")? {
        paid_media(paid, &mut found)?;
    }
    if let Some(venue) = message.object("venue")? {
        message.take("location"); // the venue has it
        found.push(place(venue)?);
    } else if let Some(location) = message.object("location")? {
        found.push(place(location)?);
    }
    if let Some(card) = message.object("contact")? {
        found.push(contact(card));
    }
    for name in THINGS {
        if let Some(fields) = message.object(name)? {
            found.push(thing(name, fields.rest()));
        }
    }
    Ok(found)
}

fn file(kind: AttachmentKind, name: &str, mut fields: Fields) -> Result<Attachment, Failure> {
    let mut file = attachment(kind);
    file.reference = fields.text("file_id")?;
    file.name = fields.text("file_name")?;
    file.mime = fields.text("mime_type")?;
    file.size = fields.int("file_size")?.and_then(|it| u64::try_from(it).ok());
    file.extra = fields.rest();
    if matches!(name, "animation" | "live_photo" | "video_note") {
        file.extra.insert("type".to_owned(), Value::from(name));
    }
    Ok(file)
}

/// The largest of the sizes in which Telegram keeps a picture.
fn largest(sizes: Vec<Value>) -> Result<Option<Fields>, Failure> {
    let side = |it: &Value, name: &str| it.get(name).and_then(Value::as_i64).unwrap_or(0);
    let area = |it: &Value| side(it, "width").saturating_mul(side(it, "height"));
    sizes.into_iter().max_by_key(area).map(|it| Fields::new("photo", it)).transpose()
}

fn paid_media(mut paid: Fields, found: &mut Vec<Attachment>) -> Result<(), Failure> {
    for item in paid.list("paid_media")? {
        let mut item = Fields::new("paid_media", item)?;
        if let Some(video) = item.object("video")? {
            found.push(file(AttachmentKind::Video, "video", video)?);
        } else if let Some(photo) = largest(item.list("photo")?)? {
            found.push(file(AttachmentKind::Photo, "photo", photo)?);
        } else {
            found.push(thing("paid_media", item.rest()));
        }
    }
    Ok(())
}

/// A point on the map or a place with a name. The coordinates stand in `extra` as `latitude` and `longitude`.
fn place(mut fields: Fields) -> Result<Attachment, Failure> {
    let point = fields.object("location")?;
    let mut place = attachment(AttachmentKind::Location);
    place.name = fields.peek("title").and_then(Value::as_str).map(str::to_owned);
    place.extra = fields.rest();
    place.extra.extend(point.map(Fields::rest).unwrap_or_default());
    Ok(place)
}

fn contact(card: Fields) -> Attachment {
    let part = |name: &str| card.peek(name).and_then(Value::as_str).map(str::to_owned);
    let mut contact = attachment(AttachmentKind::Contact);
    contact.name = Name::parts(part("first_name"), part("last_name")).display();
    contact.extra = card.rest();
    contact
}

fn thing(name: &str, mut extra: Extra) -> Attachment {
    extra.insert("type".to_owned(), Value::from(name));
    Attachment { extra, ..attachment(AttachmentKind::Other) }
}

fn attachment(kind: AttachmentKind) -> Attachment {
    Attachment { kind, reference: None, url: None, name: None, mime: None, size: None, extra: Extra::new() }
}
