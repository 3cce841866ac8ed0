//! What came along with a message: files by reference, places, cards, orders.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Attachment, AttachmentKind, Extra};

use crate::map::objects;
use crate::people::word;

/// Object of a message that hold one file: <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>.
const FILES: [(&str, AttachmentKind); 6] = [
    ("audio", AttachmentKind::Audio),
    ("document", AttachmentKind::Document),
    ("image", AttachmentKind::Photo),
    ("sticker", AttachmentKind::Sticker),
    ("video", AttachmentKind::Video),
    ("voice", AttachmentKind::Voice),
];

/// Takes everything that came along, and the caption.
pub fn take(message: &mut Object) -> (Vec<Attachment>, Option<String>) {
    let mut found = Vec::new();
    let mut said = None;
    for (name, kind) in FILES {
        if let Some(mut fields) = message.object(name) {
            // Sound has no caption; where one stands there all the same, nobody saw it.
            let caption = if matches!(kind, AttachmentKind::Audio | AttachmentKind::Voice) { None } else { fields.text("caption") };
            said = said.or(caption);
            found.push(file(kind, fields));
        }
    }
    if let Some(fields) = message.object("location") {
        let name = fields.peek_text("name").map(str::to_owned);
        found.push(Attachment { name, extra: fields.rest(), ..attachment(AttachmentKind::Location) });
    }
    // A card is somebody else's, even where it names the sender's account: the phone in it says nothing of who wrote.
    for card in objects(message.list("contacts")) {
        let name = card.peek("name").and_then(|it| it.get("formatted_name")).and_then(Node::as_str).map(str::to_owned);
        found.push(Attachment { name, extra: card.rest(), ..attachment(AttachmentKind::Contact) });
    }
    if let Some(mut order) = message.object("order") {
        said = said.or_else(|| order.text("text"));
        order.put("type", "order");
        found.push(Attachment { extra: order.rest(), ..attachment(AttachmentKind::Other) });
    }
    (found, said)
}

#[inline(never)]
fn file(kind: AttachmentKind, mut fields: Object) -> Attachment {
    let kind = if kind == AttachmentKind::Audio && fields.flag("voice") { AttachmentKind::Voice } else { kind };
    let mut file = attachment(kind);
    file.reference = word(&mut fields, "id");
    file.name = fields.text("filename");
    file.mime = fields.text("mime_type");
    // `url` needs the token and holds for minutes: it is not one that anybody could open.
    Attachment { extra: fields.rest(), ..file }
}

fn attachment(kind: AttachmentKind) -> Attachment {
    Attachment { kind, reference: None, url: None, name: None, mime: None, size: None, extra: Extra::new() }
}
