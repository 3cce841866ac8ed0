//! What came along with a message: files by reference, places, cards, polls.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra, Name};

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

/// Fields of a message that hold what somebody wrote.
const TEXTS: [&str; 2] = ["text", "caption"];

/// Other fields of a message that somebody composed.
const COMPOSED: [&str; 5] = ["contact", "location", "paid_media", "photo", "venue"];

/// True when somebody composed this, false when Telegram wrote it into the chat by itself: a message with none of these fields and
/// some other one is a service message.
#[must_use]
pub fn is_composed(message: &Object) -> bool {
    message.names().any(|it| TEXTS.contains(&it) || is_known(it))
}

/// True for the field of something that came along.
fn is_known(name: &str) -> bool {
    COMPOSED.contains(&name) || THINGS.contains(&name) || FILES.iter().any(|(file, _)| *file == name)
}

/// Takes everything that came along.
pub fn take(message: &mut Object) -> Vec<Attachment> {
    let mut found = Vec::new();
    // Most messages are nothing but text: one look at their few names instead of one search for each of ours.
    if !message.names().any(|it| !TEXTS.contains(&it) && is_known(it)) {
        return found;
    }
    if message.peek("animation").is_some() {
        message.take("document"); // the same file, for programs older than animations
    }
    for (name, kind) in FILES {
        if let Some(fields) = message.object(name) {
            found.push(file(kind, name, fields));
        }
    }
    found.extend(largest(message.list("photo")));
    if let Some(mut paid) = message.object("paid_media") {
        found.extend(paid.list("paid_media").into_iter().filter_map(Node::object).map(paid_item));
    }
    if let Some(venue) = message.object("venue") {
        message.take("location"); // the venue has it
        found.push(place(venue));
    } else if let Some(location) = message.object("location") {
        found.push(place(location));
    }
    if let Some(card) = message.object("contact") {
        let mut contact = attachment(AttachmentKind::Contact);
        let part = |name: &str| card.peek_text(name).map(str::to_owned);
        contact.name = Name::parts(part("first_name"), part("last_name")).display();
        found.push(Attachment { extra: card.rest(), ..contact });
    }
    for name in THINGS {
        if let Some(fields) = message.object(name) {
            found.push(thing(name, fields));
        }
    }
    found
}

#[inline(never)]
fn file(kind: AttachmentKind, name: &'static str, mut fields: Object) -> Attachment {
    let mut file = attachment(kind);
    file.reference = fields.text("file_id");
    file.name = fields.text("file_name");
    file.mime = fields.text("mime_type");
    file.size = fields.int("file_size").and_then(|it| u64::try_from(it).ok());
    if matches!(name, "animation" | "live_photo" | "video_note") {
        fields.put("type", name);
    }
    Attachment { extra: fields.rest(), ..file }
}

/// The largest of the sizes in which Telegram keeps a picture.
#[inline(never)]
fn largest(sizes: Vec<Node>) -> Option<Attachment> {
    let side = |it: &Node, name: &str| it.get(name).and_then(Node::as_i64).unwrap_or(0);
    let area = |it: &Node| side(it, "width").saturating_mul(side(it, "height"));
    let fields = sizes.into_iter().max_by_key(area).and_then(Node::object)?;
    Some(file(AttachmentKind::Photo, "photo", fields))
}

fn paid_item(mut item: Object) -> Attachment {
    if let Some(video) = item.object("video") {
        return file(AttachmentKind::Video, "video", video);
    }
    largest(item.list("photo")).unwrap_or_else(|| thing("paid_media", item))
}

/// A point on the map or a place with a name. The coordinates stand in `extra` as `latitude` and `longitude`.
#[inline(never)]
fn place(mut fields: Object) -> Attachment {
    let mut place = attachment(AttachmentKind::Location);
    place.name = fields.peek_text("title").map(str::to_owned);
    if let Some(mut point) = fields.object("location") {
        for name in ["latitude", "longitude"] {
            if let Some(value) = point.take(name) {
                fields.put(name, value);
            }
        }
    }
    Attachment { extra: fields.rest(), ..place }
}

#[inline(never)]
fn thing(name: &'static str, mut fields: Object) -> Attachment {
    fields.put("type", name);
    Attachment { extra: fields.rest(), ..attachment(AttachmentKind::Other) }
}

fn attachment(kind: AttachmentKind) -> Attachment {
    Attachment { kind, reference: None, url: None, name: None, mime: None, size: None, extra: Extra::new() }
}
